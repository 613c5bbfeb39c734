import type { Axis } from '../../../common/geometry.ts';
import { AXES, type Triple, triple, voxels } from '../../../common/geometry.ts';
import type { PatchContext, Sample, Workspace } from '../../transform.ts';

/** For each axis of the result: which axis it reads, and whether from that one's other end. */
export interface Orientation {
  order: Triple;
  reversed: readonly [boolean, boolean, boolean];
}

/** The largest group of axes of one size; empty where no two axes are equal. */
export function equalAxes({ shape, axes }: PatchContext): Axis[] {
  const groups = axes.map((axis) => axes.filter((other) => shape[other] === shape[axis]));
  const largest = groups.reduce((best, group) => (group.length > best.length ? group : best));
  return largest.length > 1 ? largest : [];
}

/** Bytes of scratch for `reorient`: one channel. */
export function reorientBytes({ shape }: PatchContext): number {
  return voxels(shape) * 4;
}

/** Turns the image and the labels of a sample alike. The sizes of the axes it exchanges must be equal. */
export function reorient(sample: Sample, { order, reversed }: Orientation, { buffer, scratch }: Workspace): void {
  const { shape, mirrored } = sample;
  // An axis in mirrored order already is read from its other end, and so is written what the mirror step would mirror later.
  const backwards = triple((axis) => (reversed[axis] !== (mirrored.includes(axis) !== mirrored.includes(order[axis] as Axis)) ? 1 : 0));
  const strides: Triple = [shape[1] * shape[2], shape[2], 1];
  const start = AXES.reduce<number>((sum, axis) => sum + backwards[axis] * (shape[axis] - 1) * strides[order[axis]], 0);
  const steps = triple((axis) => (backwards[axis] ? -strides[order[axis]] : strides[order[axis]]));
  const count = voxels(shape);
  const turn = (array: Float32Array | Int16Array, copy: Float32Array | Int16Array): void => {
    copy.set(array);
    gather(copy, array, start, steps, shape);
  };
  for (let channel = 0; channel < sample.channels; channel++)
    turn(new Float32Array(buffer, sample.data + channel * count * 4, count), new Float32Array(buffer, scratch, count));
  for (const labels of sample.previous === undefined ? [sample.target] : [sample.target, sample.previous])
    turn(new Int16Array(buffer, labels, count), new Int16Array(buffer, scratch, count));
}

function gather(source: Float32Array | Int16Array, target: Float32Array | Int16Array, start: number, steps: Triple, shape: Triple): void {
  const [depth, height, width] = shape;
  const [stepZ, stepY, stepX] = steps;
  let at = 0;
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      let from = start + z * stepZ + y * stepY;
      for (let x = 0; x < width; x++, from += stepX) target[at++] = source[from];
    }
  }
}
