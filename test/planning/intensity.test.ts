import { describe, expect, it } from 'vitest';
import { type Histogram, histogramOf, intensityProperties, mergeHistograms } from '../../src/planning/intensity.ts';
import { percentile } from '../../src/planning/statistics.ts';
import type { IntensityProperties } from '../../src/plans/normalisation.ts';
import { numbers } from '../fixtures/raw-dataset.ts';

const KEYS = ['max', 'mean', 'median', 'min', 'percentile_00_5', 'percentile_99_5', 'std'] as const;

function of(values: readonly number[]): IntensityProperties {
  return intensityProperties(histogramOf(Float32Array.from(values))) as IntensityProperties;
}

/** Every draw on its own, ascending. */
function expand({ values, counts }: Histogram): number[] {
  return Array.from(values).flatMap((value, i) => new Array<number>(counts[i]).fill(value));
}

/** The statistics by their definitions. */
function plainly(values: readonly number[]): IntensityProperties {
  const sorted = [...values].sort((a, b) => a - b);
  const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
  return {
    max: sorted[sorted.length - 1],
    mean,
    median: percentile(sorted, 50),
    min: sorted[0],
    percentile_00_5: percentile(sorted, 0.5),
    percentile_99_5: percentile(sorted, 99.5),
    std: Math.sqrt(sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0) / sorted.length),
  };
}

function expectSame(found: IntensityProperties | null, expected: IntensityProperties): void {
  expect(Object.keys(found ?? {})).toEqual([...KEYS]);
  for (const key of KEYS) expect(found?.[key], key).toBeCloseTo(expected[key], 9);
}

/** `count` values of which many are the same, and how often each counts. */
function drawn(seed: number, count: number): { values: Float32Array; counts: Uint32Array } {
  const next = numbers(seed);
  const values = Float32Array.from({ length: count }, () => (next(41) - 20) / 4);
  return { values, counts: Uint32Array.from(values, () => next(4)) };
}

describe('intensity properties', () => {
  it('are the mean, the population deviation and the percentiles, whatever the order', () => {
    const found = of([9, 2, 4, 5, 4, 7, 4, 5]);
    expect(found.mean).toBe(5);
    expect(found.std).toBe(2);
    expect(found.percentile_00_5).toBeCloseTo(2.07, 12);
    expect(found.percentile_99_5).toBeCloseTo(8.93, 12);
    expect([found.min, found.median, found.max]).toEqual([2, 4.5, 9]);
  });

  it('sort negative numbers as numbers', () => {
    const found = of([-1000, 200, -30, 5]);
    expect(found.percentile_00_5).toBeCloseTo(-985.45, 4);
    expect(found.percentile_99_5).toBeCloseTo(197.075, 4);
  });

  it('do not lose digits over many values', () => {
    const found = intensityProperties(histogramOf(new Float32Array(2_000_000).fill(1000.5)));
    expect(found).toMatchObject({ mean: 1000.5, std: 0, min: 1000.5, max: 1000.5, median: 1000.5 });
  });

  it('count a value as often as it was drawn', () => {
    const values = Float32Array.from([1000.5, -7.5, 3, 0.25]);
    const found = intensityProperties(histogramOf(values, Uint32Array.from([2, 3, 5, 1])));
    // NumPy's over the eleven draws.
    expect(found).toMatchObject({ max: 1000.5, min: -7.5, mean: 181.25, median: 3, percentile_00_5: -7.5, percentile_99_5: 1000.5 });
    expect(found?.std).toBeCloseTo(386.2226306866875, 10);
  });

  it('of histograms are the plain statistics over all draws', () => {
    for (const seed of [1, 2, 3]) {
      const { values, counts } = drawn(seed, 200);
      const draws = Array.from(values).flatMap((value, i) => new Array<number>(counts[i]).fill(value));
      expectSame(intensityProperties(histogramOf(values, counts)), plainly(draws));
      expectSame(intensityProperties(histogramOf(values)), plainly([...values]));
    }
  });

  it('of whole numbers, which are counted in a table, are the same', () => {
    for (const offset of [0, -3000, 2000]) {
      const { values, counts } = drawn(4, 300);
      const whole = values.map((value) => Math.round(10 * value) + offset);
      const draws = Array.from(whole).flatMap((value, i) => new Array<number>(counts[i]).fill(value));
      expectSame(intensityProperties(histogramOf(whole, counts)), plainly(draws));
      // Too far apart for a table.
      const far = Float32Array.of(...whole, 3e6);
      expectSame(intensityProperties(histogramOf(far)), plainly([...far]));
    }
  });

  it('of no intensities are none', () => {
    expect(intensityProperties(histogramOf(new Float32Array(0)))).toBeNull();
    expect(intensityProperties(histogramOf(Float32Array.from([1, 2]), new Uint32Array(2)))).toBeNull();
  });
});

describe('histograms', () => {
  it('hold every drawn value once, ascending, and none that was not drawn', () => {
    const found = histogramOf(Float32Array.from([5, -1, 5, 2, 9, -1]), Uint32Array.from([1, 2, 3, 0, 0, 4]));
    expect(found).toEqual({ values: Float32Array.from([-1, 5]), counts: Uint32Array.from([6, 4]) });
    expect(histogramOf(Float32Array.from([5, -1, 5]))).toEqual({ values: Float32Array.from([-1, 5]), counts: Uint32Array.from([1, 2]) });
  });

  it('leave the intensities in their order', () => {
    const values = Float32Array.from([3, 1, 2]);
    histogramOf(values);
    expect([...values]).toEqual([3, 1, 2]);
  });

  it('together hold all draws of each, whatever their number and order', () => {
    const parts = [0, 1, 2, 3, 4].map((i) => {
      const { values, counts } = drawn(10 + i, [30, 0, 1, 77, 12][i]);
      return histogramOf(values, counts);
    });
    for (const some of [parts, [...parts].reverse(), parts.slice(0, 2), parts.slice(1, 2)]) {
      const merged = mergeHistograms(some);
      expect(expand(merged)).toEqual(some.flatMap(expand).sort((a, b) => a - b));
      expect(new Set(merged.values).size).toBe(merged.values.length);
    }
    expect(mergeHistograms([])).toEqual({ values: new Float32Array(0), counts: new Uint32Array(0) });
  });

  it('together leave each as it was', () => {
    const one = histogramOf(Float32Array.from([1, 2]));
    const two = histogramOf(Float32Array.from([2, 3]));
    expect(mergeHistograms([one, two])).toEqual({ values: Float32Array.from([1, 2, 3]), counts: Uint32Array.from([1, 2, 1]) });
    expect(one.counts).toEqual(Uint32Array.from([1, 1]));
    expect(two.counts).toEqual(Uint32Array.from([1, 1]));
  });
});
