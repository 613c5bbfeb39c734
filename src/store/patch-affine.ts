import { type Triple, triple } from '../common/geometry.ts';
import type { Sidecar } from './sidecar.ts';

/**
 * Where a box of a stored case lies in the world: from its voxel index (x, y, z, 1) to millimetres, through resampling, crop and order of
 * axes back to the raw file. 4×4, rows first.
 * @param lower the box's first voxel, in stored array order
 */
export function patchAffine({ affine, transpose, cropBox, shape, spacing }: Sidecar, lower: Triple): number[][] {
  const identity = [0, 1, 2, 3].map((row) => [0, 1, 2, 3].map((column) => Number(row === column)));
  if (affine.length !== 4)
    return [0, 1, 2]
      .map((row) => [0, 1, 2, 3].map((column) => (column === 3 ? lower[2 - row] : Number(row === column)) * spacing[2 - row]))
      .concat([identity[3]]);
  const step = triple((axis) => (cropBox.upper[axis] - cropBox.lower[axis]) / shape[axis]);
  // Raw voxel index (x, y, z) of the box's first voxel: voxel centres are at halves when volumes are resampled.
  const first = [0, 0, 0];
  for (const axis of [0, 1, 2] as const) first[2 - transpose[axis]] = cropBox.lower[axis] + (lower[axis] + 0.5) * step[axis] - 0.5;
  return affine
    .slice(0, 3)
    .map((row) => [
      ...[2, 1, 0].map((axis) => row[2 - transpose[axis]] * step[axis]),
      row[3] + first.reduce((sum, at, i) => sum + row[i] * at, 0),
    ])
    .concat([identity[3]]);
}
