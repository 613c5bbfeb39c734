import { describe, expect, it } from 'vitest';
import { type Box, type Triple, voxels } from '../../src/common/geometry.ts';
import { measureCoverage } from '../../src/planning/coverage.ts';
import { type LabelClass, readLabels } from '../../src/raw/labels.ts';
import { numbers } from '../fixtures/raw-dataset.ts';

/** Where patches may begin along one axis: inside, or hanging over by as much on both sides where the volume is smaller. */
function starts(size: number, patch: number): number[] {
  const half = Math.ceil(Math.max(0, patch - size) / 2);
  const lowest = 0 - half;
  return Array.from({ length: size - patch + half - lowest + 1 }, (_, i) => lowest + i);
}

/** The part of all patches that hold one of the labels, by looking into every one. */
function lookInto(segmentation: ArrayLike<number>, shape: Triple, patch: Triple, labels: readonly number[]): number {
  const [zs, ys, xs] = shape.map((size, axis) => starts(size, patch[axis]));
  const holds = (z0: number, y0: number, x0: number): boolean => {
    for (let z = Math.max(z0, 0); z < Math.min(z0 + patch[0], shape[0]); z++)
      for (let y = Math.max(y0, 0); y < Math.min(y0 + patch[1], shape[1]); y++)
        for (let x = Math.max(x0, 0); x < Math.min(x0 + patch[2], shape[2]); x++)
          if (labels.includes(segmentation[(z * shape[1] + y) * shape[2] + x])) return true;
    return false;
  };
  let count = 0;
  for (const z of zs) for (const y of ys) for (const x of xs) if (holds(z, y, x)) count++;
  return count / (zs.length * ys.length * xs.length);
}

/** A volume in which one voxel in `rarity` has a label, of 1 to `labels`, and some of the others are -1. */
function scattered(shape: Triple, { seed, rarity, labels }: { seed: number; rarity: number; labels: number }): Int8Array {
  const next = numbers(seed);
  return Int8Array.from({ length: voxels(shape) }, () => (next(rarity) === 0 ? 1 + next(labels) : -next(2)));
}

const classesOf = (labels: Record<string, number | number[]>): LabelClass[] => readLabels('', { background: 0, ...labels }).classes;

/** A volume with one box of label 1. */
function withBox(shape: Triple, { lower, upper }: Box): Int8Array {
  const segmentation = new Int8Array(voxels(shape));
  for (let z = lower[0]; z < upper[0]; z++)
    for (let y = lower[1]; y < upper[1]; y++)
      segmentation.fill(1, (z * shape[1] + y) * shape[2] + lower[2], (z * shape[1] + y) * shape[2] + upper[2]);
  return segmentation;
}

/** The part of patches that meet a box: along each axis on its own. */
function meeting(shape: Triple, patch: Triple, { lower, upper }: Box): number {
  return shape.reduce((part, size, axis) => {
    const all = starts(size, patch[axis]);
    return (part * all.filter((start) => start < upper[axis] && start + patch[axis] > lower[axis]).length) / all.length;
  }, 1);
}

describe('coverage', () => {
  const classes = classesOf({ a: 1, b: 2, c: 3 });

  it.each<[string, Triple, Triple]>([
    ['a patch within the volume', [7, 8, 9], [3, 4, 2]],
    ['a single voxel', [5, 6, 7], [1, 1, 1]],
    ['the whole volume', [5, 6, 7], [5, 6, 7]],
    ['a patch larger than the volume along one axis', [5, 6, 7], [8, 3, 3]],
    ['a patch larger by an odd number', [5, 6, 4], [8, 9, 7]],
    ['a patch larger along all axes', [3, 4, 5], [10, 11, 12]],
    ['a 2D patch', [9, 8, 7], [1, 5, 4]],
    ['a 2D patch larger than a slice', [9, 5, 6], [1, 8, 8]],
  ])('is what looking into every patch gives: %s', (_, shape, patch) => {
    for (const rarity of [2, 30, 150]) {
      const segmentation = scattered(shape, { seed: rarity, rarity, labels: 3 });
      const found = measureCoverage(segmentation, shape, patch, classes);
      expect(found.patch).toEqual(patch);
      expect(found.any).toBeCloseTo(lookInto(segmentation, shape, patch, [1, 2, 3]), 12);
      expect(found.classes).toHaveLength(3);
      [1, 2, 3].forEach((label, i) => {
        expect(found.classes[i], `label ${label} of one in ${rarity}`).toBeCloseTo(lookInto(segmentation, shape, patch, [label]), 12);
      });
    }
  });

  it.each<[string, Triple]>([
    ['all axes', [6, 7, 8]],
    ['two axes', [6, 3, 8]],
    ['one axis', [2, 7, 3]],
    ['the last axis', [2, 3, 8]],
  ])('is the same where every patch spans what is there along %s', (_, patch) => {
    const shape: Triple = [7, 8, 9];
    for (const seed of [1, 2, 3]) {
      const segmentation = scattered(shape, { seed, rarity: 4, labels: 3 });
      for (let i = 0; i < segmentation.length; i++) {
        const at = [Math.floor(i / 72), Math.floor(i / 9) % 8, i % 9];
        if (at.some((place, axis) => place < 2 || place > shape[axis] - 3)) segmentation[i] = 0;
      }
      const found = measureCoverage(segmentation, shape, patch, classes);
      expect(found.classes).toEqual([1, 2, 3].map((label) => lookInto(segmentation, shape, patch, [label])));
    }
  });

  it('is 0 of a class that is not there, and of all where nothing is', () => {
    const segmentation = new Int8Array(60).fill(-1);
    expect(measureCoverage(segmentation, [3, 4, 5], [2, 2, 2], classes)).toEqual({ patch: [2, 2, 2], any: 0, classes: [0, 0, 0] });
    segmentation[7] = 2;
    const found = measureCoverage(segmentation, [3, 4, 5], [2, 2, 2], classes);
    expect(found.classes).toEqual([0, found.any, 0]);
    expect(found.any).toBeGreaterThan(0);
  });

  it('of a region is that of any of its labels', () => {
    const shape: Triple = [6, 7, 8];
    const segmentation = scattered(shape, { seed: 4, rarity: 60, labels: 3 });
    const found = measureCoverage(segmentation, shape, [2, 3, 2], classesOf({ whole: [1, 2, 3], core: [3, 1], last: 2 }));
    const expected = [[1, 2, 3], [1, 3], [2]].map((labels) => lookInto(segmentation, shape, [2, 3, 2], labels));
    found.classes.forEach((part, i) => {
      expect(part).toBeCloseTo(expected[i], 12);
    });
    expect(found.any).toBe(found.classes[0]);
  });

  it('counts neither ignored voxels nor the class of annotated ones', () => {
    const shape: Triple = [4, 5, 6];
    const segmentation = scattered(shape, { seed: 9, rarity: 20, labels: 2 });
    const found = measureCoverage(segmentation, shape, [2, 2, 2], classesOf({ a: 1, ignore: 2 }));
    expect(found.classes).toHaveLength(2);
    expect(found.classes[1]).toBe(0);
    expect(found.classes[0]).toBeCloseTo(lookInto(segmentation, shape, [2, 2, 2], [1]), 12);
    expect(found.any).toBe(found.classes[0]);
  });

  it('knows labels that skip numbers, past 127 too', () => {
    const shape: Triple = [5, 5, 5];
    const segmentation = Int16Array.from(
      scattered(shape, { seed: 3, rarity: 25, labels: 2 }),
      (label) => [label, 7, 3000][Math.max(label, 0)],
    );
    const found = measureCoverage(segmentation, shape, [2, 2, 2], classesOf({ small: 7, large: 3000 }));
    expect(found.classes[0]).toBeCloseTo(lookInto(segmentation, shape, [2, 2, 2], [7]), 12);
    expect(found.classes[1]).toBeCloseTo(lookInto(segmentation, shape, [2, 2, 2], [3000]), 12);
  });

  it('leaves the labels as they are', () => {
    const segmentation = scattered([5, 5, 5], { seed: 3, rarity: 5, labels: 3 });
    const before = segmentation.slice();
    measureCoverage(segmentation, [5, 5, 5], [2, 2, 2], classes);
    expect(segmentation).toEqual(before);
  });
});

describe('coverage of volumes with more patches than are looked at', () => {
  const [one] = [classesOf({ a: 1 })];

  it.each<[string, Triple, Triple, Box]>([
    ['a lesion in the middle', [200, 180, 90], [32, 32, 32], { lower: [90, 80, 40], upper: [110, 100, 50] }],
    ['a lesion in a corner', [200, 180, 90], [32, 32, 32], { lower: [0, 0, 0], upper: [6, 5, 4] }],
    ['an organ', [150, 160, 170], [40, 40, 40], { lower: [20, 30, 40], upper: [120, 120, 120] }],
    ['slices', [300, 100, 90], [1, 64, 64], { lower: [100, 40, 40], upper: [160, 60, 60] }],
    ['a patch larger along one axis', [20, 300, 300], [32, 96, 96], { lower: [5, 30, 250], upper: [9, 60, 300] }],
  ])('is within two hundredths: %s', (_, shape, patch, box) => {
    const { any, classes } = measureCoverage(withBox(shape, box), shape, patch, one);
    expect(Math.abs(any - meeting(shape, patch, box))).toBeLessThan(0.02);
    expect(classes).toEqual([any]);
  });

  it('is never 0 of a class that is there, however few slices it is in', () => {
    const shape: Triple = [300, 24, 24];
    for (const slice of [0, 1, 2, 3, 150, 151, 298, 299]) {
      const box: Box = { lower: [slice, 10, 10], upper: [slice + 1, 14, 14] };
      expect(measureCoverage(withBox(shape, box), shape, [1, 24, 24], one).any, `slice ${slice}`).toBeGreaterThan(0);
    }
  });
});
