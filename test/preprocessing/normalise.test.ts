import { describe, expect, it } from 'vitest';
import type { Normalisation } from '../../src/plans/normalisation.ts';
import { normalise } from '../../src/preprocessing/normalise.ts';

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
