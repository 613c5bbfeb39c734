import { describe, expect, it } from 'vitest';
import { roundHalfEven } from '../../src/common/round.ts';
import { interpolate, median, percentile, quantile } from '../../src/planning/statistics.ts';

describe('percentiles', () => {
  it('are the ones of NumPy, linear between neighbours', () => {
    expect(percentile([1, 2, 3, 4], 50)).toBe(2.5);
    expect(percentile([15, 20, 35, 40, 50], 40)).toBeCloseTo(29, 12);
    expect(percentile([15, 20, 35, 40, 50], 0.5)).toBeCloseTo(15.1, 12);
    expect(percentile([15, 20, 35, 40, 50], 99.5)).toBeCloseTo(49.8, 12);
    expect(percentile([-3, 1, 10], 25)).toBe(-1);
  });

  it('reach the ends', () => {
    expect(percentile([4, 5, 9], 0)).toBe(4);
    expect(percentile([4, 5, 9], 100)).toBe(9);
    expect(percentile([7], 99.5)).toBe(7);
  });

  it('of 0 to 1000 are ten times the percentage', () => {
    const values = Float32Array.from({ length: 1001 }, (_, i) => i);
    expect(percentile(values, 0.5)).toBeCloseTo(5, 9);
    expect(percentile(values, 99.5)).toBeCloseTo(995, 9);
  });

  it('of unsorted values are the ones of NumPy to the last bit, and leave the values in their order', () => {
    const values = [178.9, 43.7, 9.6, -186.3, -27.7, -35.5, -8.3, -62.7, -4.4, -47.7, -131.4, 88.5, 88.1];
    const before = [...values];
    // np.percentile of the same list.
    const expected = {
      0: -186.3,
      0.5: -183.006,
      10: -117.66,
      33.3: -35.54880000000001,
      50: -8.3,
      75: 43.7,
      99.5: 173.47599999999997,
      100: 178.9,
    };
    for (const [percent, value] of Object.entries(expected)) expect(quantile(values, Number(percent)), `${percent} %`).toBe(value);
    expect(values).toEqual(before);
    expect(quantile([2.5, 3, 1.25, 5, 0.8, 3.3], 10)).toBe(1.025);
  });

  it('ask only for the two values that they lie between', () => {
    const asked: number[] = [];
    const value = interpolate(101, 12.25, (index) => {
      asked.push(index);
      return 10 * index;
    });
    expect(asked).toEqual([12, 13]);
    expect(value).toBe(122.5);
  });
});

describe('medians', () => {
  it('are the middle value, or the mean of the two in the middle, by size and not by text', () => {
    expect(median([10, 9, 100])).toBe(10);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([7])).toBe(7);
    expect(median([1, 1e-7, 0.9, 2e-8, 0.8])).toBe(0.8);
    expect(median([178.9, 43.7, 9.6, -186.3, -27.7, -35.5, -8.3, -62.7, -4.4, -47.7, -131.4, 88.5])).toBe(-18);
  });

  it('leave the values in their order', () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });
});

describe('rounding', () => {
  it("is Python's: halves go to the even neighbour", () => {
    const values = [0.5, 1.5, 2.5, 3.5, 2.4999, 2.5001, 0, 7];
    expect(values.map(roundHalfEven)).toEqual([0, 2, 2, 4, 2, 3, 0, 7]);
    expect([-0.4, -1.5, -2.5, -2.6].map((value) => roundHalfEven(value) + 0)).toEqual([0, -2, -2, -3]);
  });
});
