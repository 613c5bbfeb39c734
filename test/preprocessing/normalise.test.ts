import { describe, expect, it } from 'vitest';
import type { Normalisation } from '../../src/plans/normalisation.ts';
import { normalise } from '../../src/preprocessing/normalise.ts';
import { numbers } from '../fixtures/raw-dataset.ts';

function run(values: number[], by: Normalisation, segmentation: number[] = values.map(() => 0)): number[] {
  const image = Float32Array.from(values);
  normalise(image, Int8Array.from(segmentation), by);
  return [...image];
}

function expectNear(actual: number[], expected: number[]): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, i) => {
    expect(value, `voxel ${i}`).toBeCloseTo(expected[i], 5);
  });
}

describe('z-score', () => {
  it('over the whole image has mean 0 and population deviation 1', () => {
    expectNear(run([2, 4, 4, 4, 5, 5, 7, 9], { scheme: 'zscore', masked: false }), [-1.5, -0.5, -0.5, -0.5, 0, 0, 1, 2]);
  });

  it('without a mask counts and changes voxels outside the region too', () => {
    expectNear(run([0, 0, 4, 4], { scheme: 'zscore', masked: false }, [-1, -1, 0, 1]), [-1, -1, 1, 1]);
  });

  it('with a mask neither counts nor changes voxels outside the region', () => {
    expectNear(run([0, 77, 2, 6], { scheme: 'zscore', masked: true }, [-1, -1, 0, 1]), [0, 77, -1, 1]);
  });

  it('of a constant image is 0 and not NaN', () => {
    expect(run([5, 5, 5], { scheme: 'zscore', masked: false })).toEqual([0, 0, 0]);
    expect(run([0, 0, 0], { scheme: 'zscore', masked: false })).toEqual([0, 0, 0]);
  });

  it('with a mask that leaves nothing changes nothing', () => {
    expect(run([1, 2], { scheme: 'zscore', masked: true }, [-1, -1])).toEqual([1, 2]);
  });

  it('does not lose digits where the mean is large', () => {
    expectNear(run([1e6 - 1, 1e6 + 1], { scheme: 'zscore', masked: false }), [-1, 1]);
  });
});

describe('CT', () => {
  const by: Normalisation = { scheme: 'ct', mean: 50, std: 10, percentile_00_5: 20, percentile_99_5: 90 };

  it('clips to the percentiles and scales by the statistics of the data set', () => {
    expectNear(run([-1000, 20, 50, 65, 90, 3000], by), [-3, -3, 0, 1.5, 4, 4]);
  });

  it('changes voxels outside the region too', () => {
    expectNear(run([0, 50], by, [-1, 0]), [-3, 0]);
  });

  it('is the same to the last bit wherever a voxel lies, however many there are', () => {
    const next = numbers(3);
    const odd: Normalisation = { scheme: 'ct', mean: 51.3, std: 10.7, percentile_00_5: -20.1, percentile_99_5: 90.3 };
    const [low, high, shift] = [-20.1, 90.3, 51.3].map(Math.fround);
    for (const count of [1, 3, 4, 5, 8191, 8192, 8193, 20_001]) {
      const values = Array.from({ length: count }, () => Math.fround((next(40_000) - 10_000) / 77));
      const expected = values.map((value) => Math.fround(Math.fround(Math.min(Math.max(value, low), high) - shift) / 10.7));
      expect(run(values, odd)).toEqual(expected);
      const zscore = run(values, { scheme: 'zscore', masked: false });
      const masked = run(values, { scheme: 'zscore', masked: true });
      expect(zscore).toEqual(masked);
    }
  });

  it('has zeros of the sign that plain arithmetic gives', () => {
    const zeros = Array.from({ length: 9 }, (_, i) => (i % 2 === 0 ? -0 : 0));
    for (const bound of [0, -0]) {
      const odd: Normalisation = { scheme: 'ct', mean: 0, std: 2, percentile_00_5: bound, percentile_99_5: 5 };
      const found = run(zeros, odd);
      zeros.forEach((zero, i) => {
        expect(Object.is(found[i], Math.min(Math.max(zero, bound), 5))).toBe(true);
      });
    }
  });

  it('keeps what is not a number', () => {
    expect(run([Number.NaN, 50, Number.NaN, Number.NaN, Number.NaN], by)).toEqual([Number.NaN, 0, Number.NaN, Number.NaN, Number.NaN]);
  });

  it('with no deviation is finite', () => {
    const found = run([1, 2, 3], { scheme: 'ct', mean: 2, std: 0, percentile_00_5: 2, percentile_99_5: 2 });
    expect(found).toEqual([0, 0, 0]);
  });
});

describe('rescale to 0 … 1', () => {
  it('takes the smallest to 0 and the largest to 1', () => {
    expectNear(run([-100, 0, 100, 300], { scheme: 'rescale_to_0_1' }), [0, 0.25, 0.5, 1]);
  });

  it('of a constant image is 0', () => {
    expect(run([7, 7], { scheme: 'rescale_to_0_1' })).toEqual([0, 0]);
  });
});

describe('RGB to 0 … 1', () => {
  it('divides by 255', () => {
    expectNear(run([0, 51, 255], { scheme: 'rgb_to_0_1' }), [0, 0.2, 1]);
  });

  it.each([
    [-1, 5],
    [0, 255.5],
  ])('refuses values from %d to %d', (low, high) => {
    expect(() => run([low, high], { scheme: 'rgb_to_0_1' })).toThrow(RangeError);
    expect(() => run([low, high], { scheme: 'rgb_to_0_1' })).toThrow(`values from ${low} to ${high}, outside 0 to 255`);
  });
});

describe('no normalisation', () => {
  it('leaves every value', () => {
    expect(run([-5, 0, 1e9], { scheme: 'nonorm' })).toEqual([-5, 0, 1e9]);
  });
});
