import { describe, expect, it } from 'vitest';
import { roundHalfEven } from '../../src/common/round.ts';
import { fractionAt, isForced, isLastPart, type Oversampling, realisedFraction, type Schedule } from '../../src/sampling/oversampling.ts';

describe("Python's round", () => {
  it('takes exact halves to the even integer', () => {
    expect([0.5, 1.5, 2.5, 3.5, -0.5, -1.5].map((value) => roundHalfEven(value) + 0)).toEqual([0, 2, 2, 4, 0, -2]);
  });
});

describe('the last-part rule', () => {
  const sizes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 32, 40, 50, 105, 366];
  const forced = [0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 8, 11, 13, 16, 35, 121];

  it('forces as many as the reference table says', () => {
    expect(sizes.map((size) => Array.from({ length: size }, (_, i) => isLastPart(size, 0.33, i)).filter(Boolean).length)).toEqual(forced);
  });

  it('realises these parts', () => {
    expect(sizes.map((size) => realisedFraction(size, 0.33))).toEqual(sizes.map((size, i) => forced[i] / size));
  });
});

/** The part of `batches` batches from `first` on that is forced. */
function forcedPart(oversampling: Oversampling, batchSize: number, first: number, batches: number): number {
  const count = batches * batchSize;
  const forced = Array.from({ length: count }, (_, i) => isForced(oversampling, 5, first * batchSize + i, batchSize));
  return forced.filter(Boolean).length / count;
}

describe('probabilistic oversampling', () => {
  it.each<[string, Oversampling, number, number]>([
    ['nnUNetTrainer_probabilisticOversampling', { fraction: 0.33, probabilistic: 'realised' }, 2, 0.5],
    ['the same with nine samples', { fraction: 0.33, probabilistic: 'realised' }, 9, 1 / 3],
    ['the same with one sample, which is never forced', { fraction: 0.33, probabilistic: 'realised' }, 1, 0],
    ['…_033', { fraction: 0.33, probabilistic: true }, 2, 0.33],
    ['…_010', { fraction: 0.1, probabilistic: true }, 2, 0.1],
  ])('%s', (_, oversampling, batchSize, expected) => {
    const batches = 6000;
    const sigma = Math.sqrt((expected * (1 - expected)) / (batches * batchSize));
    expect(Math.abs(forcedPart(oversampling, batchSize, 0, batches) - expected)).toBeLessThanOrEqual(5 * sigma);
  });
});

describe('a schedule', () => {
  const schedule: Schedule = [
    [10, 1],
    [20, 0.5],
    [21, 0],
  ];

  it('is linear between its points and constant around them', () => {
    const at = [0, 10, 15, 18, 20, 21, 1_000_000].map((batch) => fractionAt(schedule, batch));
    for (const [i, expected] of [1, 1, 0.75, 0.6, 0.5, 0, 0].entries()) expect(at[i]).toBeCloseTo(expected, 12);
    expect(fractionAt([[5, 0.2]], 0)).toBe(0.2);
    expect(fractionAt([[5, 0.2]], 50)).toBe(0.2);
  });

  it('decides each batch by its own fraction, for both rules', () => {
    for (const [batch, expected] of [
      [0, 1],
      [15, 0.75],
      [20, 0.5],
      [30, 0],
    ]) {
      expect(forcedPart({ fraction: schedule, probabilistic: false }, 20, batch, 1)).toBe(expected);
      const chance = forcedPart({ fraction: schedule, probabilistic: true }, 20_000, batch, 1);
      expect(Math.abs(chance - expected)).toBeLessThan(0.02);
    }
  });
});
