/** Three numbers in array order: axis 0 ("z") first, axis 2 ("x", the fastest in memory) last. */
export type Triple = [number, number, number];

/** A half-open box of voxels, lower included, upper not. It may reach outside its volume. */
export interface Box {
  lower: Triple;
  upper: Triple;
}

/** An axis of a volume in array order. */
export type Axis = 0 | 1 | 2;

export const AXES: readonly Axis[] = [0, 1, 2];

export function triple(make: (axis: Axis) => number): Triple {
  return [make(0), make(1), make(2)];
}

/** The entries of `values` in the order that `forward` gives. */
export function transpose(values: readonly number[], forward: Triple): Triple {
  return triple((axis) => values[forward[axis]]);
}

export function voxels(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function boxShape(box: Box): Triple {
  return triple((axis) => box.upper[axis] - box.lower[axis]);
}

/** The part of `box` inside a volume of `shape`; null where they do not meet. */
export function intersect(box: Box, shape: Triple): Box | null {
  const lower = triple((axis) => Math.max(box.lower[axis], 0));
  const upper = triple((axis) => Math.min(box.upper[axis], shape[axis]));
  return AXES.some((axis) => lower[axis] >= upper[axis]) ? null : { lower, upper };
}

/** "[40, 56, 40]", for messages. */
export function show(numbers: readonly number[]): string {
  return `[${numbers.join(', ')}]`;
}

/** "voxel [1, 2, 3] (z, y, x)", for messages. @param flat in C order */
export function showVoxel(flat: number, [, height, width]: Triple): string {
  return `voxel ${show([Math.floor(flat / (height * width)), Math.floor(flat / width) % height, flat % width])} (z, y, x)`;
}

/** A patch size in three axes: a 2D patch has 1 along axis 0. */
export function patchOf(size: readonly number[]): Triple {
  return (size.length === 2 ? [1, ...size] : [...size]) as Triple;
}
