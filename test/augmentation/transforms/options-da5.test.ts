import { describe, expect, it } from 'vitest';
import { STEP_OPTIONS } from '../../../src/augmentation/step-options.ts';
import { completeSteps } from '../../../src/augmentation/steps.ts';
import type { Transform } from '../../../src/augmentation/transform.ts';
import { additiveBrightness } from '../../../src/augmentation/transforms/intensity/additive-brightness.ts';
import { blankRectangles } from '../../../src/augmentation/transforms/intensity/blank-rectangles.ts';
import { brightnessGradient } from '../../../src/augmentation/transforms/intensity/brightness-gradient.ts';
import { localGamma } from '../../../src/augmentation/transforms/intensity/local-gamma.ts';
import { median } from '../../../src/augmentation/transforms/intensity/median/median.ts';
import { sharpen } from '../../../src/augmentation/transforms/intensity/sharpen.ts';
import { binaryOperators } from '../../../src/augmentation/transforms/labels/binary-operators.ts';
import { oneHot } from '../../../src/augmentation/transforms/labels/one-hot.ts';
import { writeRegions } from '../../../src/augmentation/transforms/labels/regions.ts';
import { removeComponent } from '../../../src/augmentation/transforms/labels/remove-component.ts';
import { permuteAxes } from '../../../src/augmentation/transforms/spatial/permute-axes.ts';
import { rotateQuarters } from '../../../src/augmentation/transforms/spatial/rotate-quarters.ts';
import { OptionError } from '../../../src/common/errors.ts';
import type { OptionTable } from '../../../src/common/options.ts';

// biome-ignore lint/suspicious/noExplicitAny: each transform goes with its own steps
const transforms: Record<string, Transform<any, any>> = {
  additiveBrightness,
  binaryOperators,
  blankRectangles,
  brightnessGradient,
  localGamma,
  median,
  oneHot,
  permuteAxes,
  removeComponent,
  rotateQuarters,
  sharpen,
};
const needed: Record<string, object> = { oneHot: { labels: [1, 3] }, binaryOperators: { channels: 2 }, removeComponent: { channels: 2 } };

describe.each(Object.keys(transforms))('%s', (name) => {
  const step = { transform: name, ...needed[name] };
  const check = (options: object): unknown => completeSteps([step, step, step, step, { ...step, ...options }])[4];

  it('takes its defaults, and refuses misspelt options and probabilities', () => {
    const table = { ...STEP_OPTIONS, ...(transforms[name].options as OptionTable) };
    const defaults = Object.fromEntries(Object.entries(table).map(([option, entry]) => [option, entry.default]));
    expect(check({})).toEqual({ ...defaults, ...step });
    expect(check({ probability: 0.3 })).toEqual({ ...defaults, ...step, probability: 0.3 });
    expect(() => check({ probabilty: 0.3 })).toThrow(`augmentation[4].probabilty: '${name}' has no such option`);
    expect(() => check({ probability: 1.5 })).toThrow('augmentation[4].probability: 1.5 is not a probability');
  });
});

it('has stages of its own for each transform', () => {
  const stages = Object.values(transforms).map(({ purpose }) => purpose);
  expect(new Set(stages).size).toBe(stages.length);
});

it.each([
  ['median', 'size', [2, 8], [7.5, [0, 3], [2, 41], [5, 3], 'x', [2, 3, 4]]],
  ['median', 'channelProbability', 0.1, [-0.1, '1', null]],
  ['additiveBrightness', 'mean', -3, [[0, 1], Number.NaN, '1']],
  ['additiveBrightness', 'sigma', 0, [-1, [0, 1]]],
  ['blankRectangles', 'count', 3, [0, [1, 2.5]]],
  ['blankRectangles', 'size', [0.1, 0.2], [1.5, [0.3, 0.2]]],
  ['brightnessGradient', 'strength', 4, [-1, [1, Number.POSITIVE_INFINITY]]],
  ['brightnessGradient', 'centre', [-2, 3], [[1, 0]]],
  ['localGamma', 'width', [0.1, 2], [-1]],
  ['localGamma', 'darkening', 2, [-2]],
  ['localGamma', 'brightening', 0.5, ['low']],
  ['sharpen', 'strength', 0.5, [-0.5]],
  ['oneHot', 'labels', [2], [[], [0, 1], [2, 1], [1, 1], [1.5], 3, undefined]],
  ['binaryOperators', 'channels', 1, [0, 1.5, undefined]],
  ['binaryOperators', 'radius', [1, 2], [-1, [1, 65]]],
  ['removeComponent', 'channels', 1, [0, undefined]],
  ['removeComponent', 'limit', 1, [1.1]],
] as [string, string, unknown, unknown[]][])('%s checks %s', (name, option, right, wrong) => {
  const check = (value: unknown): unknown => completeSteps([{ transform: name, ...needed[name], [option]: value }])[0];
  expect(check(right)).toHaveProperty(option, right);
  for (const value of wrong) {
    expect(() => check(value)).toThrow(OptionError);
    expect(() => check(value)).toThrow(new RegExp(`^augmentation\\[0\\]\\.${option}: `));
  }
});

it('writes a mask for each region', () => {
  const out = new Int16Array(15).fill(9);
  writeRegions(Int16Array.from([0, 1, 2, 3, -1]), [[1, 2, 3], [2], [3, 300]], out);
  expect([...out]).toEqual([0, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0]);
});
