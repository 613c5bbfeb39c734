import { expect } from 'vitest';
import type { PatchContext, Sample, Transform, Workspace } from '../../../src/augmentation/transform.ts';
import { type Triple, voxels } from '../../../src/common/geometry.ts';
import type { OptionTable } from '../../../src/common/options.ts';
import { Draws } from '../../../src/common/random.ts';
import { complete, type Written } from '../../fixtures/complete-step.ts';

export interface Patch {
  /** [z, y, x], or [y, x] of a 2D patch. */
  shape: readonly number[];
  /** [C, z, y, x]. */
  image: ArrayLike<number>;
  target?: ArrayLike<number>;
  previous?: ArrayLike<number>;
  mirrored?: Sample['mirrored'];
}

const align = (bytes: number): number => Math.ceil(bytes / 64) * 64;

export function contextOf(shape: readonly number[], channels = 1): PatchContext {
  return { channels, shape: (shape.length === 2 ? [1, ...shape] : [...shape]) as Triple, axes: shape.length === 2 ? [1, 2] : [0, 1, 2] };
}

/** Applies a transform to a patch in shared memory, with no more scratch than it asks for, and sees that nothing else is written to. */
export function applyTo<T extends OptionTable, P>(transform: Transform<T, P>, given: Written<T>, parameters: P, patch: Patch) {
  const step = complete(transform, given);
  const count = voxels(patch.shape);
  const context = contextOf(patch.shape, patch.image.length / count);
  const scratchBytes = transform.scratchBytes?.(step, context) ?? 0;
  const data = 64;
  const target = align(data + patch.image.length * 4) + 64;
  const previous = align(target + count * 2) + 64;
  const scratch = align(previous + count * 2) + 64;
  const buffer = new SharedArrayBuffer(align(scratch + scratchBytes) + 64);
  const bytes = new Uint8Array(buffer).fill(0xcd);
  const image = new Float32Array(buffer, data, patch.image.length);
  const labels = new Int16Array(buffer, target, count);
  const before = new Int16Array(buffer, previous, count);
  image.set(patch.image);
  labels.set(patch.target ?? new Int16Array(count));
  before.set(patch.previous ?? new Int16Array(count));
  const sample: Sample = {
    ...context,
    data,
    target,
    ...(patch.previous && { previous }),
    hasOutside: labels.includes(-1),
    mirrored: patch.mirrored ?? [],
  };
  // The kernels are no use to transforms in plain TypeScript.
  transform.apply(sample, parameters, step, { buffer, scratch, kernels: {} as Workspace['kernels'] });
  const ends = [data + image.byteLength, target + count * 2, previous + count * 2, scratch + scratchBytes];
  for (const [i, end] of [0, ...ends].entries())
    expect(bytes.slice(end, [data, target, previous, scratch, buffer.byteLength][i]).every((byte) => byte === 0xcd)).toBe(true);
  return { image: image.slice(), target: labels.slice(), previous: before.slice(), sample };
}

/** What a transform draws for samples 0, 1, … of one seed. */
export function drawMany<T extends OptionTable, P>(
  transform: Transform<T, P>,
  given: Written<T>,
  context: PatchContext,
  times: number,
): (P | null)[] {
  const step = complete(transform, given);
  return Array.from({ length: times }, (_, i) => transform.draw(step, context, new Draws(7, i, transform.purpose)));
}

/** Deterministic numbers in [0, 1) for images. */
export function noise(count: number, seed = 1): Float32Array {
  const draws = new Draws(seed, 0, 0);
  return Float32Array.from({ length: count }, () => draws.uniform());
}

/** All index triples of a shape, in C order. */
export function indices([depth, height, width]: readonly number[]): Triple[] {
  const all: Triple[] = [];
  for (let z = 0; z < depth; z++) for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) all.push([z, y, x]);
  return all;
}
