import type { Triple } from '../common/geometry.ts';

/** A box of voxels inside the shared memory: where it starts, and how far apart its rows and planes are, in bytes. */
export interface Strided {
  pointer: number;
  row: number;
  plane: number;
}

/** The voxel `at` of a dense array of `size` that begins at `pointer`. */
export function strided(pointer: number, [, height, width]: Triple, at: Triple, bytesPerVoxel: number): Strided {
  const row = width * bytesPerVoxel;
  const plane = height * row;
  return { pointer: pointer + at[0] * plane + at[1] * row + at[2] * bytesPerVoxel, row, plane };
}
