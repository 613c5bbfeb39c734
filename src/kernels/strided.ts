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

/**
 * Two boxes of which one is copied to the other, so that the target's rows are written in the order of memory: where its rows or planes count
 * backwards, those of both are taken from their other end. A processor gets memory for what is written in order long before it is written.
 */
export function inOrder(source: Strided, target: Strided, planes: number, rows: number): [source: Strided, target: Strided] {
  const [row, plane] = [target.row < 0 ? rows - 1 : 0, target.plane < 0 ? planes - 1 : 0];
  if (row === 0 && plane === 0) return [source, target];
  return [fromOther(source, row, plane), fromOther(target, row, plane)];
}

/** The same box, whose rows and planes are counted from the last ones on where these are not 0. */
function fromOther({ pointer, row, plane }: Strided, lastRow: number, lastPlane: number): Strided {
  return {
    pointer: pointer + lastRow * row + lastPlane * plane,
    row: lastRow > 0 ? -row : row,
    plane: lastPlane > 0 ? -plane : plane,
  };
}
