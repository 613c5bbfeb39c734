import { describe, expect, it } from 'vitest';
import { drawOperations, type Pipeline, spatialOf } from '../../src/augmentation/pipeline.ts';
import { presetSteps } from '../../src/augmentation/presets.ts';
import { completeSteps } from '../../src/augmentation/steps.ts';
import type { PatchContext, Transform } from '../../src/augmentation/transform.ts';
import { blur } from '../../src/augmentation/transforms/intensity/blur.ts';
import { brightness } from '../../src/augmentation/transforms/intensity/brightness.ts';
import { contrast } from '../../src/augmentation/transforms/intensity/contrast.ts';
import { type GammaStep, gamma } from '../../src/augmentation/transforms/intensity/gamma.ts';
import { type LowResolutionStep, lowResolution } from '../../src/augmentation/transforms/intensity/low-resolution.ts';
import { noise } from '../../src/augmentation/transforms/intensity/noise.ts';
import type { Axis } from '../../src/common/geometry.ts';
import { patchOf } from '../../src/common/geometry.ts';
import type { OptionTable } from '../../src/common/options.ts';
import { AUGMENTATION_PURPOSES, Draws } from '../../src/common/random.ts';
import { complete, type Written } from '../fixtures/complete-step.ts';
import { has, readJson } from './golden.ts';

/** A sample of the peer's numbers. */
interface Distribution {
  n: number;
  min: number;
  max: number;
  mean: number;
  std: number;
  quantiles: Record<string, number>;
}

interface Setup {
  dim: number;
  channels: number;
  patch_size: number[];
  dummy_2d: boolean;
  draws: number;
  // biome-ignore lint/suspicious/noExplicitAny: entries differ from transform to transform
  transforms: any[];
}

const SAMPLES = 20_000;
/** Standard errors that a correct draw stays within: several hundred comparisons are made. */
const ERRORS = 5;

/** How much two samples of a proportion may differ. */
function allowance(proportion: number, n: number, others: number): number {
  const p = Math.min(Math.max(proportion, 1 / others), 1 - 1 / others);
  return ERRORS * Math.sqrt(p * (1 - p) * (1 / n + 1 / others));
}

function expectFraction(found: number, n: number, expected: number, others: number): void {
  expect(Math.abs(found / n - expected), `${found / n} instead of ${expected}`).toBeLessThan(allowance(expected, n, others));
}

/** Both are samples: mean, deviation, and which part of ours is below each quantile of theirs. */
function expectDistribution(values: number[], expected: Distribution): void {
  const n = values.length;
  if (expected.std === 0) {
    expect(values.every((value) => value === expected.mean)).toBe(true);
    return;
  }
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1));
  const error = expected.std * Math.sqrt(1 / n + 1 / expected.n);
  expect(Math.abs(mean - expected.mean), `mean ${mean} instead of ${expected.mean}`).toBeLessThan(ERRORS * error);
  expect(Math.abs(deviation - expected.std), `deviation ${deviation} instead of ${expected.std}`).toBeLessThan(ERRORS * error);
  for (const [percent, limit] of Object.entries(expected.quantiles))
    expectFraction(values.filter((value) => value < limit).length, n, Number(percent) / 100, expected.n);
  // The ends: as many numbers as theirs reach nearly as far.
  const spread = expected.max - expected.min;
  const reach = (20 * spread) / Math.min(n, expected.n);
  expect(Math.abs(Math.min(...values) - expected.min)).toBeLessThan(reach);
  expect(Math.abs(Math.max(...values) - expected.max)).toBeLessThan(reach);
}

/** What a transform draws for many samples; null where nothing is to be done. */
function drawMany<T extends OptionTable, P>(transform: Transform<T, P>, given: Written<T>, context: PatchContext): (P | null)[] {
  const step = complete(transform, given);
  return Array.from({ length: SAMPLES }, (_, i) =>
    transform.draw(step, context, new Draws(2024, i, AUGMENTATION_PURPOSES + transform.purpose)),
  );
}

/** One entry for each channel of each sample, null where the channel is left as it is. */
function channelsOf<P, T>(parameters: (P | null)[], context: PatchContext, list: (parameters: P) => (T | null)[]): (T | null)[] {
  return parameters.flatMap((drawn) => (drawn === null ? new Array<null>(context.channels).fill(null) : list(drawn)));
}

const present = <T>(values: (T | null)[]): T[] => values.filter((value) => value !== null);

// biome-ignore lint/suspicious/noExplicitAny: entries differ from transform to transform
type Check = (entry: any, context: PatchContext, setup: Setup) => void;

/** How each transform of the peer is compared; those of `APART` are in suites of their own. */
const CHECKS: Record<string, Check> = {
  GaussianNoiseTransform: (entry, context) => {
    const drawn = drawMany(noise, { transform: 'noise' }, context);
    const all = present(drawn);
    expect(all.length).toBe(SAMPLES);
    // One for all channels.
    expect(all.every(({ sigmas }) => sigmas.length === context.channels && new Set(sigmas).size === 1)).toBe(true);
    expect(new Set(all.map(({ seed }) => seed.join())).size).toBe(SAMPLES);
    expectDistribution(
      all.map(({ sigmas }) => sigmas[0] as number),
      entry.sigma,
    );
  },

  GaussianBlurTransform: (entry, context, { draws }) => {
    const drawn = drawMany(blur, { transform: 'blur' }, context);
    const channels = channelsOf(drawn, context, ({ sigmas }) => sigmas);
    const sigmas = present(channels);
    expectFraction(sigmas.length, channels.length, entry.channel_applied_fraction, draws * context.channels);
    expect(sigmas.every((axes) => axes.length === context.axes.length && new Set(axes).size === axes.length)).toBe(true);
    expect(entry.independent_per_axis).toBe(true);
    expectDistribution(sigmas.flat(), entry.sigma);
  },

  MultiplicativeBrightnessTransform: (entry, context) => {
    const drawn = drawMany(brightness, { transform: 'brightness' }, context);
    expectFactors(
      channelsOf(drawn, context, ({ factors }) => factors),
      entry.multiplier,
      entry.fraction_below_1,
    );
  },

  ContrastTransform: (entry, context) => {
    const drawn = drawMany(contrast, { transform: 'contrast' }, context);
    expectFactors(
      channelsOf(drawn, context, ({ factors }) => factors),
      entry.multiplier,
      entry.fraction_below_1,
    );
  },

  SimulateLowResolutionTransform: (entry, context, { draws, dummy_2d }) => {
    const step: LowResolutionStep = { transform: 'lowResolution', ...(dummy_2d ? { ignoreAxes: [0] } : {}) };
    const drawn = drawMany(lowResolution, step, context);
    const channels = channelsOf(drawn, context, ({ scales }) => scales);
    const scales = present(channels);
    expectFraction(scales.length, channels.length, entry.channel_applied_fraction, draws * context.channels);
    expectDistribution(
      scales.map((axes) => axes[0]),
      entry.scale_first_axis,
    );
    expectDistribution(
      scales.map((axes) => axes.at(-1) as number),
      entry.scale_last_axis,
    );
    expect(scales.every((axes) => new Set(dummy_2d ? axes.slice(1) : axes).size === 1)).toBe(true);
  },

  GammaTransform: (entry, context) => {
    expect(entry.retain_stats).toBe(true);
    const step: GammaStep = { transform: 'gamma', invert: entry.invert };
    const drawn = drawMany(gamma, step, context);
    expectFactors(
      channelsOf(drawn, context, ({ gammas }) => gammas),
      entry.gamma,
      entry.fraction_gamma_below_1,
    );
  },
};

/** Every channel has a factor. */
function expectFactors(factors: (number | null)[], expected: Distribution, below: number): void {
  const all = present(factors);
  expect(all.length).toBe(factors.length);
  expectDistribution(all, expected);
  expectFraction(all.filter((factor) => factor < 1).length, all.length, below, expected.n);
}

/** Entries without parameters. */
const APART = ['Convert3DTo2DTransform', 'Convert2DTo3DTransform', 'RemoveLabelTransform', 'DownsampleSegForDSTransform'];

/** Steps of the default pipeline by the peer's name for them. */
const STEPS: Record<string, string> = {
  SpatialTransform: 'spatial',
  GaussianNoiseTransform: 'noise',
  GaussianBlurTransform: 'blur',
  MultiplicativeBrightnessTransform: 'brightness',
  ContrastTransform: 'contrast',
  SimulateLowResolutionTransform: 'lowResolution',
  GammaTransform: 'gamma',
  MirrorTransform: 'mirror',
};

const PATH = 'sampling/augmentation_parameters.json';
const setups: Setup[] = has(PATH) ? readJson(PATH).setups : [];

describe.each(setups)('parameters drawn for $channels x $patch_size', (setup) => {
  const axes: Axis[] = setup.dim === 2 ? [1, 2] : [0, 1, 2];
  const context: PatchContext = { channels: setup.channels, shape: patchOf(setup.patch_size), axes };

  it('are all compared', () => {
    expect(
      setup.transforms.map(({ transform }) => transform).filter((name) => !(name in CHECKS) && !(name in STEPS) && !APART.includes(name)),
    ).toEqual([]);
  });

  /** What the whole pipeline draws, sample by sample. */
  const steps = presetSteps('default', { patchSize: setup.patch_size });
  const pipeline: Pipeline = { steps: completeSteps(steps), patch: context, crop: context.shape, wholeCrop: false };
  const drawn = Array.from({ length: SAMPLES }, (_, sample) => drawOperations(pipeline, 77, sample));

  it('come in the same order, as often', () => {
    const named = setup.transforms.filter(({ transform }) => transform in STEPS);
    expect(steps.map(({ transform }) => transform).filter((name) => name !== 'replaceLabel')).toEqual(
      named.map(({ transform }) => STEPS[transform]),
    );
    for (const [step, { fired_fraction }] of named.entries()) {
      if (fired_fraction === undefined) continue;
      // A channel's own chance may leave all channels as they are; the peer counts that as applied.
      const alone = steps[step] as { channelProbability?: number; probability?: number; transform: string };
      const channelwise = ['blur', 'lowResolution'].includes(alone.transform) ? 1 - 0.5 ** setup.channels : 1;
      const found = drawn.filter((operations) => operations.some((operation) => operation.step === step)).length;
      expectFraction(found, SAMPLES, fired_fraction * channelwise, setup.draws);
    }
  });

  it('mirror each axis as often', () => {
    const { axis_fraction } = setup.transforms.find(({ transform }) => transform === 'MirrorTransform');
    for (const [i, axis] of axes.entries()) {
      const found = drawn.filter((operations) =>
        operations.some(({ transform, parameters }) => transform === 'mirror' && (parameters as { axes: Axis[] }).axes.includes(axis)),
      );
      expectFraction(found.length, SAMPLES, Object.values<number>(axis_fraction)[i], setup.draws);
    }
  });

  it('rotate and scale as often, by as much', () => {
    const entry = setup.transforms.find(({ transform }) => transform === 'SpatialTransform');
    const spatial = drawn.map((operations) => spatialOf(operations));
    const rotated = spatial.filter((parameters) => parameters?.angles.some((angle) => angle !== 0));
    const scaled = spatial.filter((parameters) => parameters?.scales.some((scale) => scale !== 1));
    expectFraction(rotated.length, SAMPLES, entry.rotation_fraction, setup.draws);
    expectFraction(scaled.length, SAMPLES, entry.scaling_fraction, setup.draws);
    expectFraction(rotated.filter((parameters) => scaled.includes(parameters)).length, SAMPLES, entry.both_fraction, setup.draws);
    expectFraction(spatial.filter((parameters) => parameters === null).length, SAMPLES, entry.neither_fraction, setup.draws);
    expect(entry.scale_same_on_all_axes).toBe(true);
    expect(scaled.every((parameters) => new Set(parameters?.scales).size === 1)).toBe(true);
    expectDistribution(
      scaled.map((parameters) => parameters?.scales[0] as number),
      entry.scale,
    );
    // In a plane the peer draws two angles and takes the last.
    const angles: Distribution[] = entry.angles_rad_per_axis.slice(-(rotated[0]?.angles.length === 2 ? 1 : 3));
    for (const [i, expected] of angles.entries())
      expectDistribution(
        rotated.map((parameters) => parameters?.angles.at(i - angles.length) as number),
        expected,
      );
  });

  for (const [i, entry] of setup.transforms.entries())
    if (entry.transform in CHECKS) it(`${i}: ${entry.transform}`, () => CHECKS[entry.transform](entry, context, setup));
});
