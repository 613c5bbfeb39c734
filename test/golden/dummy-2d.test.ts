import { describe, it } from 'vitest';
import { affineMatrix } from '../../src/augmentation/affine.ts';
import { warpImage } from '../../src/augmentation/warp/image.ts';
import { warpLabels } from '../../src/augmentation/warp/labels.ts';
import type { Placement } from '../../src/augmentation/warp/placement.ts';
import { type Triple, voxels } from '../../src/common/geometry.ts';
import { expectClose, type GoldenCase, has, manifest, readArray, type Tolerance } from './golden.ts';
import { recordedArithmetic } from './recorded-spatial.ts';

const EXACT: Tolerance = { kind: 'exact' };

function find(name: string): GoldenCase | undefined {
  return has('misc/manifest.json') ? manifest('misc').find((golden) => golden.name === name) : undefined;
}

/** Warps every channel of the 3D input slice by slice, which is what folding axis 0 into the channels comes to. */
function warpSlices({ inputs }: GoldenCase, size: number[], placement: Omit<Placement, 'source' | 'patch' | 'axes'>) {
  const image = readArray(`misc/${inputs.image}`);
  const source = image.shape.slice(1) as Triple;
  const patch: Triple = [source[0], size[0], size[1]];
  const complete: Placement = { source, patch, axes: [1, 2], ...placement };
  const [from, to] = [voxels(source), voxels(patch)];
  const data = new Float32Array(image.shape[0] * to);
  const target = new Int16Array(to);
  for (let c = 0; c < image.shape[0]; c++)
    warpImage(image.data.subarray(c * from, (c + 1) * from) as Float32Array, complete, {}, data.subarray(c * to, (c + 1) * to));
  warpLabels(readArray(`misc/${inputs.segmentation}`).data as Int16Array, complete, {}, target);
  return { data, target };
}

describe('golden dummy 2D', () => {
  const forward = find('dummy2d_forward');
  it.skipIf(!forward)('dummy2d_forward: slices are channels in memory order', () => {
    const { inputs, outputs } = forward as GoldenCase;
    const size = readArray(`misc/${inputs.image}`).shape.slice(2);
    const { data, target } = warpSlices(forward as GoldenCase, size, {});
    expectClose(data, readArray(`misc/${outputs.image}`).data, EXACT);
    expectClose(target, readArray(`misc/${outputs.segmentation}`).data, EXACT);
  });

  const roundtrip = find('dummy2d_spatial_roundtrip');
  it.skipIf(!roundtrip)('dummy2d_spatial_roundtrip: one rotation for all slices', () => {
    const { params, outputs, tolerance } = roundtrip as GoldenCase;
    const matrix = affineMatrix(params.angles_rad, params.scales, [1, 2]);
    const exact = warpSlices(roundtrip as GoldenCase, params.patch_size, { matrix });
    expectClose(exact.data, readArray(`misc/${outputs.image}`).data, tolerance.image);
    expectClose(exact.target, readArray(`misc/${outputs.segmentation}`).data, tolerance.segmentation);
    const compat = warpSlices(roundtrip as GoldenCase, params.patch_size, { matrix, ...recordedArithmetic() });
    expectClose(compat.data, readArray(`misc/${outputs.image}`).data, EXACT);
    expectClose(compat.target, readArray(`misc/${outputs.segmentation}`).data, EXACT);
  });
});
