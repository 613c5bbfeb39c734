import { describe, expect, it } from 'vitest';
import { type CaseFingerprint, summariseFingerprints } from '../../src/planning/fingerprint.ts';
import { histogramOf } from '../../src/planning/intensity.ts';
import { isMasked, type Normalisation, normalisationOf, SCHEME_CLASS, schemeOf } from '../../src/plans/normalisation.ts';

function fingerprint(relativeSizeAfterCrop: number, ...foreground: number[][]): CaseFingerprint {
  return {
    spacing: [1, 1, 1],
    shapeAfterCrop: [4, 4, 4],
    cropBox: { lower: [0, 0, 0], upper: [4, 4, 4] },
    relativeSizeAfterCrop,
    foreground: foreground.map((values) => histogramOf(Float32Array.from(values))),
  };
}

/** As plans and then preprocessing choose it. */
function choose(channels: readonly string[], cases: readonly CaseFingerprint[]): Normalisation[] {
  const { median_relative_size_after_cropping: size, foreground_intensity_properties_per_channel: properties } =
    summariseFingerprints(cases);
  return channels.map((name, channel) => normalisationOf(schemeOf(name), isMasked(schemeOf(name), size), properties[String(channel)]));
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

  it.each(['T1', 'MRI', '', 'CT ', 'PET', 'constructor', '__proto__'])('is a z-score for the unknown name %j', (name) => {
    expect(schemeOf(name)).toBe('zscore');
  });

  it("has one of nnU-Net's classes", () => {
    expect(SCHEME_CLASS).toEqual({
      zscore: 'ZScoreNormalization',
      ct: 'CTNormalization',
      rescale_to_0_1: 'RescaleTo01Normalization',
      rgb_to_0_1: 'RGBTo01Normalization',
      nonorm: 'NoNormalization',
    });
  });
});

describe('the choice of a normalisation', () => {
  it('masks a z-score only where the median relative size is below three quarters', () => {
    const chosen = (...sizes: number[]) =>
      choose(
        ['MRI'],
        sizes.map((size) => fingerprint(size, [])),
      );
    expect(chosen(1, 0.1, 0.749)).toEqual([{ scheme: 'zscore', masked: true }]);
    expect(chosen(0.1, 0.75, 1)).toEqual([{ scheme: 'zscore', masked: false }]);
    expect(chosen(1, 1, 0.2, 0.4)).toEqual([{ scheme: 'zscore', masked: true }]);
    expect(chosen(1, 1, 0.2, 0.6)).toEqual([{ scheme: 'zscore', masked: false }]);
    expect(chosen(0.74)).toEqual([{ scheme: 'zscore', masked: true }]);
  });

  it('goes by the median of sizes, not by their order as text', () => {
    const sizes = [1, 1e-7, 0.9, 2e-8, 0.8];
    const cases = sizes.map((size) => fingerprint(size, []));
    expect(choose(['MRI'], cases)).toEqual([{ scheme: 'zscore', masked: false }]);
  });

  it('masks nothing but a z-score', () => {
    for (const scheme of ['ct', 'rescale_to_0_1', 'rgb_to_0_1', 'nonorm'] as const) expect(isMasked(scheme, 0.1)).toBe(false);
  });

  it('takes the statistics of a CT channel over the foreground of all cases, channel by channel', () => {
    const cases = [fingerprint(1, [1, 2], [100]), fingerprint(1, [], []), fingerprint(0.2, [6], [300])];
    const [mri, second] = choose(['MRI', 'CT'], cases);
    expect(mri).toEqual({ scheme: 'zscore', masked: false });
    expect(second).toMatchObject({ scheme: 'ct', mean: 200, std: 100 });
    const [first] = choose(['CT', 'noNorm'], cases);
    expect(first).toMatchObject({ scheme: 'ct', mean: 3, std: Math.sqrt((4 + 1 + 9) / 3) });
  });

  it('knows one scheme for each channel, in their order', () => {
    const found = choose(['noNorm', 'rgb_to_0_1', 'T2', 'rescale_to_0_1', 'CT'], [fingerprint(1, [], [], [], [], [])]);
    expect(found.map(({ scheme }) => scheme)).toEqual(['nonorm', 'rgb_to_0_1', 'zscore', 'rescale_to_0_1', 'ct']);
  });

  it('of a CT channel without any foreground changes nothing', () => {
    const [found] = choose(['CT'], [fingerprint(1, [])]);
    expect(found).toMatchObject({ scheme: 'ct', mean: 0, std: 1 });
    if (found.scheme !== 'ct') throw new Error('it is not CT');
    for (const value of [-3e38, 0, 3e38]) expect(Math.min(Math.max(value, found.percentile_00_5), found.percentile_99_5)).toBe(value);
    // It is written down in the index of a store.
    expect(JSON.parse(JSON.stringify(found))).toEqual(found);
  });
});
