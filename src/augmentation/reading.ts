import type { Axis } from '../common/geometry.ts';
import { type Box, type Triple, triple } from '../common/geometry.ts';
import type { Matrix } from './affine.ts';

/** Takes an output voxel of the patch to coordinates of the crop that nnU-Net would have read for it. */
export interface Mapping {
  matrix: Matrix;
  offset: Triple;
}

/**
 * The mapping of a matrix about the centres of both (docs/nnunet.md#coordinates). Mirrored axes of the patch are counted from
 * their other ends: mirroring afterwards is the same, and this costs nothing.
 */
export function mapping(matrix: Matrix, crop: Triple, patch: Triple, mirrored: readonly Axis[]): Mapping {
  const sign = triple((axis) => (mirrored.includes(axis) ? -1 : 1));
  const turned = matrix.map((value, i) => value * sign[i % 3]) as unknown as Matrix;
  const offset = triple((axis) => {
    const middle = [0, 1, 2].reduce((sum, i) => sum + (turned[3 * axis + i] * (patch[i] - 1)) / 2, 0);
    return (crop[axis] - 1) / 2 - middle;
  });
  return { matrix: turned, offset };
}

/** Rounding may carry coordinates this far. */
const SLACK = 2e-3;

/** The voxels of the crop that linear interpolation of the patch touches, half open; it may reach beyond the crop. */
export function touched({ matrix, offset }: Mapping, patch: Triple): Box {
  const reach = (axis: Axis, up: boolean): number =>
    patch.reduce((sum, size, i) => {
      const step = matrix[3 * axis + i] * (size - 1);
      return step > 0 === up ? sum + step : sum;
    }, offset[axis]);
  return {
    lower: triple((axis) => Math.floor(reach(axis, false) - SLACK)),
    upper: triple((axis) => Math.floor(reach(axis, true) + SLACK) + 2),
  };
}

/**
 * The patch in the middle of a crop, in the crop's coordinates: what is read where nothing is interpolated
 * (docs/nnunet.md#crop-without-interpolation).
 */
export function centred(crop: Triple, patch: Triple): Box {
  const lower = triple((axis) => Math.floor(crop[axis] / 2) - Math.floor(patch[axis] / 2));
  return { lower, upper: triple((axis) => lower[axis] + patch[axis]) };
}

/** A box of the crop's coordinates in those of the volume. */
export function shifted({ lower, upper }: Box, by: Triple): Box {
  return { lower: triple((axis) => lower[axis] + by[axis]), upper: triple((axis) => upper[axis] + by[axis]) };
}
