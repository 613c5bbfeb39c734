import { describe, expect, it } from 'vitest';
import type { CaseFingerprint } from '../../src/planning/fingerprint.ts';
import { chooseNormalisation, intensityProperties, percentile, schemeOf } from '../../src/planning/normalisation.ts';

function fingerprint(relativeSizeAfterCrop: number, ...foreground: number[][]): CaseFingerprint {
  return {
    spacing: [1, 1, 1],
    shapeAfterCrop: [4, 4, 4],
    relativeSizeAfterCrop,
    foreground: foreground.map((values) => Float32Array.from(values)),
  };
}

describe('the scheme of a channel', () => {
  it.each([
    ['CT', 'ct'],
    ['ct', 'ct'],
    ['noNorm', 'nonorm'],
    ['zscore', 'zscore'],
    ['rescale_to_0_1', 'rescale_to_0_1'],
    ['RGB_to_0_1', 'rgb_to_0_1'],
  ])('named %s is %s', (name, scheme) => {
    expect(schemeOf(name)).toBe(scheme);
  });

  it.each(['T1', 'MRI', '', 'CT ', 'PET', 'constructor'])('is a z-score for the unknown name %j', (name) => {
    expect(schemeOf(name)).toBe('zscore');
  });
});

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
});

describe('intensity properties', () => {
  it('are the mean, the population deviation and the percentiles, whatever the order', () => {
    const found = intensityProperties(Float32Array.from([9, 2, 4, 5, 4, 7, 4, 5]));
    expect(found.mean).toBe(5);
    expect(found.std).toBe(2);
    expect(found.percentile_00_5).toBeCloseTo(2.07, 12);
    expect(found.percentile_99_5).toBeCloseTo(8.93, 12);
  });

  it('sort negative numbers as numbers', () => {
    const found = intensityProperties(Float32Array.from([-1000, 200, -30, 5]));
    expect(found.percentile_00_5).toBeCloseTo(-985.45, 4);
    expect(found.percentile_99_5).toBeCloseTo(197.075, 4);
  });

  it('do not lose digits over many values', () => {
    const found = intensityProperties(new Float32Array(2_000_000).fill(1000.5));
    expect(found.mean).toBe(1000.5);
    expect(found.std).toBe(0);
  });

  it('of no intensities change nothing', () => {
    const found = intensityProperties(new Float32Array(0));
    expect([found.mean, found.std]).toEqual([0, 1]);
    for (const value of [-3e38, 0, 3e38]) expect(Math.min(Math.max(value, found.percentile_00_5), found.percentile_99_5)).toBe(value);
    expect(JSON.parse(JSON.stringify(found))).toEqual(found);
  });
});

describe('the choice of a normalisation', () => {
  it('masks a z-score only where the median relative size is below three quarters', () => {
    const choose = (...sizes: number[]) =>
      chooseNormalisation(
        ['MRI'],
        sizes.map((size) => fingerprint(size)),
      );
    expect(choose(1, 0.1, 0.749)).toEqual([{ scheme: 'zscore', masked: true }]);
    expect(choose(0.1, 0.75, 1)).toEqual([{ scheme: 'zscore', masked: false }]);
    expect(choose(1, 1, 0.2, 0.4)).toEqual([{ scheme: 'zscore', masked: true }]);
    expect(choose(1, 1, 0.2, 0.6)).toEqual([{ scheme: 'zscore', masked: false }]);
    expect(choose(0.74)).toEqual([{ scheme: 'zscore', masked: true }]);
  });

  it('goes by the median of sizes, not by their order as text', () => {
    const sizes = [1, 1e-7, 0.9, 2e-8, 0.8];
    expect(
      chooseNormalisation(
        ['MRI'],
        sizes.map((size) => fingerprint(size)),
      ),
    ).toEqual([{ scheme: 'zscore', masked: false }]);
  });

  it('takes the statistics of a CT channel over the foreground of all cases, channel by channel', () => {
    const cases = [fingerprint(1, [1, 2], [100]), fingerprint(1, [], []), fingerprint(0.2, [6], [300])];
    const [mri, second] = chooseNormalisation(['MRI', 'CT'], cases);
    expect(mri).toEqual({ scheme: 'zscore', masked: false });
    expect(second).toMatchObject({ scheme: 'ct', mean: 200, std: 100 });
    const [first] = chooseNormalisation(['CT', 'noNorm'], cases);
    expect(first).toMatchObject({ scheme: 'ct', mean: 3, std: Math.sqrt((4 + 1 + 9) / 3) });
  });

  it('knows one scheme for each channel, in their order', () => {
    const found = chooseNormalisation(['noNorm', 'rgb_to_0_1', 'T2', 'rescale_to_0_1', 'CT'], [fingerprint(1)]);
    expect(found.map(({ scheme }) => scheme)).toEqual(['nonorm', 'rgb_to_0_1', 'zscore', 'rescale_to_0_1', 'ct']);
  });

  it('of a CT channel without any foreground changes nothing', () => {
    expect(chooseNormalisation(['CT'], [fingerprint(1, [])])).toMatchObject([{ scheme: 'ct', mean: 0, std: 1 }]);
  });
});
