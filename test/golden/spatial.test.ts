import { describe, expect, it } from 'vitest';
import type { Matrix } from '../../src/augmentation/affine.ts';
import { warpImage } from '../../src/augmentation/warp/image.ts';
import { warpLabels } from '../../src/augmentation/warp/labels.ts';
import type { ImageSampling, LabelSampling, Placement } from '../../src/augmentation/warp/placement.ts';
import { voxels } from '../../src/common/geometry.ts';
import { expectClose, type GoldenCase, has, manifest, readArray, type Tolerance } from './golden.ts';
import { gridOf, placementOf, recordedArithmetic } from './recorded-spatial.ts';

const EXACT: Tolerance = { kind: 'exact' };

function warpGolden({ params, inputs }: GoldenCase, placement: Placement): { image: Float32Array; segmentation: Int16Array } {
  const image = readArray(`spatial/${inputs.image}`);
  const size = voxels(placement.source);
  const patch = voxels(placement.patch);
  const channels = image.shape[0];
  const out = { image: new Float32Array(channels * patch), segmentation: new Int16Array(patch) };
  const sampling: ImageSampling = {
    interpolation: params.mode_image === 'nearest' ? 'nearest' : 'linear',
    padding: params.padding_mode_image,
    value: params.padding_value_image,
  };
  for (let c = 0; c < channels; c++)
    warpImage(
      image.data.subarray(c * size, (c + 1) * size) as Float32Array,
      placement,
      sampling,
      out.image.subarray(c * patch, (c + 1) * patch),
    );
  const labels: LabelSampling = {
    interpolation: params.mode_seg === 'nearest' ? 'nearest' : 'linear',
    padding: params.border_mode_seg,
    value: params.padding_value_seg,
  };
  warpLabels(readArray(`spatial/${inputs.segmentation}`).data as Int16Array, placement, labels, out.segmentation);
  return out;
}

describe.skipIf(!has('spatial/manifest.json'))('golden spatial', () => {
  for (const golden of has('spatial/manifest.json') ? manifest('spatial') : []) {
    const { params, outputs, tolerance } = golden;

    it(`${golden.name}: matrix`, () => {
      if (params.affine === null) return expect(params.angles_rad ?? params.scales).toBeNull();
      const matrix = placementOf(golden).matrix as Matrix;
      const rows = params.affine.length === 2 ? [[1, 0, 0], ...params.affine.map((row: number[]) => [0, ...row])] : params.affine;
      expectClose(matrix, rows.flat(), { kind: 'allclose', atol: 1e-15, rtol: 1e-15 });
    });

    it(`${golden.name}: in float64`, () => {
      const actual = warpGolden(golden, placementOf(golden));
      for (const key of ['image', 'segmentation'] as const)
        expectClose(actual[key], readArray(`spatial/${outputs[key]}`).data, tolerance[key]);
    });

    it(`${golden.name}: as recorded, torch's arithmetic`, () => {
      const actual = warpGolden(golden, { ...placementOf(golden), ...recordedArithmetic() });
      expectClose(actual.image, readArray(`spatial/${outputs.image}`).data, EXACT);
      expectClose(actual.segmentation, readArray(`spatial/${outputs.segmentation}`).data, EXACT);
    });

    if (outputs.grid)
      it(`${golden.name}: grid, last axis first`, () => {
        const actual = gridOf({ ...placementOf(golden), ...recordedArithmetic() });
        expectClose(actual, readArray(`spatial/${outputs.grid}`).data, EXACT);
      });
  }
});
