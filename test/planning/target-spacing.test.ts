import { describe, expect, it } from 'vitest';
import type { Triple } from '../../src/common/geometry.ts';
import { transpose } from '../../src/common/geometry.ts';
import { resampledShape, targetSpacing, transposition } from '../../src/planning/target-spacing.ts';

const FEW: Triple = [20, 256, 256];
const MANY: Triple = [100, 256, 256];

function target(spacings: Triple[], shape: Triple = FEW): Triple {
  return targetSpacing({ spacings, shapes: spacings.map(() => shape) });
}

describe('the target spacing', () => {
  it('is the median along each axis', () => {
    const spacings: Triple[] = [
      [1, 0.9, 2],
      [3, 0.7, 1],
      [2, 0.8, 1.5],
    ];
    expect(target(spacings)).toEqual([2, 0.8, 1.5]);
    expect(target(spacings.slice(0, 2))).toEqual([2, 0.8, 1.5]);
  });

  it('is finer along a coarse axis of few slices: the tenth percentile', () => {
    // np.percentile([3, 4, 5, 5, 5, 6], 10) is 3.5.
    const spacings = [5, 3, 5, 6, 4, 5].map((z): Triple => [z, 0.8, 0.8]);
    expect(target(spacings)).toEqual([3.5, 0.8, 0.8]);
  });

  it('is that along whichever axis is the coarse one', () => {
    const shapes: Triple[] = [
      [256, 20, 256],
      [256, 256, 20],
    ];
    for (const [i, axis] of [1, 2].entries()) {
      const spacings = [5, 3, 5, 6, 4, 5].map((size) => [0.8, 0.8, 0.8].with(axis, size) as Triple);
      expect(target(spacings, shapes[i])).toEqual([0.8, 0.8, 0.8].with(axis, 3.5));
    }
  });

  it('stays the median where there are many slices', () => {
    const spacings = [5, 3, 5, 6, 4, 5].map((z): Triple => [z, 0.8, 0.8]);
    expect(target(spacings, MANY)).toEqual([5, 0.8, 0.8]);
    // Three times as many pixels as slices are not enough.
    expect(target(spacings, [20, 60, 256])).toEqual([5, 0.8, 0.8]);
    expect(target(spacings, [20, 61, 256])).toEqual([3.5, 0.8, 0.8]);
  });

  it('counts slices by the median case', () => {
    const spacings = [5, 3, 5].map((z): Triple => [z, 0.8, 0.8]);
    expect(targetSpacing({ spacings, shapes: [FEW, MANY, MANY] })).toEqual([5, 0.8, 0.8]);
    expect(targetSpacing({ spacings, shapes: [FEW, FEW, MANY] })).toEqual([3.4, 0.8, 0.8]);
  });

  it('stays the median where it is exactly three times the coarsest other one', () => {
    const spacings = [1.5, 2.25, 3].map((z): Triple => [z, 0.5, 0.75]);
    expect(target(spacings)).toEqual([2.25, 0.5, 0.75]);
    expect(target(spacings.map(([z, y, x]): Triple => [z * 1.001, y, x]))[0]).toBeLessThan(2.2);
  });

  it('is never as fine as the other axes', () => {
    const spacings = [0.5, 0.5, 5, 5, 5].map((z): Triple => [z, 0.7, 0.8]);
    expect(target(spacings)).toEqual([0.8 + 1e-5, 0.7, 0.8]);
  });

  it('leaves what it is given as it was', () => {
    const spacings: Triple[] = [
      [5, 1, 1],
      [4, 1, 1],
    ];
    target(spacings);
    expect(spacings).toEqual([
      [5, 1, 1],
      [4, 1, 1],
    ]);
  });
});

describe('resampled shapes', () => {
  it('are rounded as Python does it, halves to the even neighbour', () => {
    expect(resampledShape([5, 7, 10], [1, 1, 1], [2, 2, 4])).toEqual([2, 4, 2]);
    expect(resampledShape([10, 20, 30], [3, 0.5, 1], [1, 1, 1])).toEqual([30, 10, 30]);
  });

  it('are the shape itself where the spacing is', () => {
    expect(resampledShape([31, 47, 29], [1.3, 0.7, 0.9], [1.3, 0.7, 0.9])).toEqual([31, 47, 29]);
  });
});

describe('the order of axes', () => {
  it.each<[Triple, Triple, Triple]>([
    [
      [3, 1, 1],
      [0, 1, 2],
      [0, 1, 2],
    ],
    [
      [1, 3, 1],
      [1, 0, 2],
      [1, 0, 2],
    ],
    [
      [1, 1, 3],
      [2, 0, 1],
      [1, 2, 0],
    ],
    [
      [1, 3, 3],
      [1, 0, 2],
      [1, 0, 2],
    ],
    [
      [2, 2, 2],
      [0, 1, 2],
      [0, 1, 2],
    ],
  ])('for %j is %j, undone by %j: the coarsest first, the first of several', (spacing, forward, backward) => {
    expect(transposition(spacing)).toEqual({ forward, backward });
    const there = transpose([10, 20, 30], forward);
    expect(transpose(there, backward)).toEqual([10, 20, 30]);
    expect(Math.max(...spacing)).toBe(transpose(spacing, forward)[0]);
  });
});
