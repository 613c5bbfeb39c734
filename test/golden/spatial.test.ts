import { describe, expect, it } from 'vitest';
import { affineMatrix, type Matrix } from '../../src/augmentation/affine.ts';
import { warpImage } from '../../src/augmentation/warp/image.ts';
import { warpLabels } from '../../src/augmentation/warp/labels.ts';
import type { ImageSampling, LabelSampling, Placement } from '../../src/augmentation/warp/placement.ts';
import { TorchGrid } from '../../src/augmentation/warp/torch-grid.ts';
import type { Axis } from '../../src/common/geometry.ts';
import { patchOf, type Triple, voxels } from '../../src/common/geometry.ts';
import { expectClose, type GoldenCase, has, manifest, readArray, type Tolerance } from './golden.ts';

const EXACT: Tolerance = { kind: 'exact' };

function axesOf(dimensions: number): Axis[] {
  return dimensions === 2 ? [1, 2] : [0, 1, 2];
}

function placementOf({ params, inputs }: GoldenCase): Placement {
  const size: number[] = params.patch_size;
  const axes = axesOf(size.length);
  const matrix = params.affine === null ? undefined : affineMatrix(params.angles_rad ?? [0, 0, 0], params.scales ?? [1, 1, 1], axes);
  const center: number[] = params.center_location_in_pixels;
  const source = patchOf(readArray(`spatial/${inputs.image}`).shape.slice(1));
  // A slice is half a voxel's place from its own middle.
  const middle = (size.length === 2 ? [0.5, ...center] : center) as Triple;
  return { source, patch: patchOf(size), axes, matrix, center: middle, alignCorners: params.align_corners };
}

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
    interpolation: params.mode_seg === 'nearest' ? 'nearest' : params.bg_style_seg_sampling ? 'threshold' : 'linear',
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

    it(`${golden.name}: corrected rule, float64`, () => {
      const actual = warpGolden(golden, placementOf(golden));
      for (const key of ['image', 'segmentation'] as const)
        expectClose(actual[key], readArray(`spatial/${outputs[`${key}_axis_fixed`] ?? outputs[key]}`).data, tolerance[key]);
    });

    it(`${golden.name}: as recorded, torch's arithmetic`, () => {
      const actual = warpGolden(golden, { ...placementOf(golden), nnunetCompat: true });
      expectClose(actual.image, readArray(`spatial/${outputs.image}`).data, EXACT);
      expectClose(actual.segmentation, readArray(`spatial/${outputs.segmentation}`).data, EXACT);
    });

    if (outputs.grid)
      it(`${golden.name}: grid, last axis first`, () => {
        const placement = placementOf(golden);
        const [p0, p1, p2] = placement.patch;
        const grid = new TorchGrid(placement);
        const actual: number[] = [];
        for (let z = 0; z < p0; z++)
          for (let y = 0; y < p1; y++) {
            grid.row(z, y);
            for (let x = 0; x < p2; x++) for (const axis of [...placement.axes].reverse()) actual.push(grid.normalised[axis][x]);
          }
        expectClose(actual, readArray(`spatial/${outputs.grid}`).data, EXACT);
      });
  }
});
