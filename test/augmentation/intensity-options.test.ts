import { describe, expect, it } from 'vitest';
import { completeSteps } from '../../src/augmentation/steps.ts';
import type { PatchContext, Step, Transform } from '../../src/augmentation/transform.ts';
import { blur } from '../../src/augmentation/transforms/intensity/blur.ts';
import { brightness } from '../../src/augmentation/transforms/intensity/brightness.ts';
import { contrast } from '../../src/augmentation/transforms/intensity/contrast.ts';
import { gamma } from '../../src/augmentation/transforms/intensity/gamma.ts';
import { lowResolution } from '../../src/augmentation/transforms/intensity/low-resolution.ts';
import { noise } from '../../src/augmentation/transforms/intensity/noise.ts';
import { OptionError } from '../../src/common/errors.ts';
import { Draws } from '../../src/common/random.ts';
import { complete } from '../fixtures/complete-step.ts';

// biome-ignore lint/suspicious/noExplicitAny: each transform goes with its own steps and parameters
const TRANSFORMS: Record<string, Transform<any, any>> = { noise, blur, brightness, contrast, lowResolution, gamma };

/** Options by transform: some that are fine, and some that are not, with what is at fault. */
const GOOD: Record<string, object[]> = {
  noise: [{}, { sigma: 0.1 }, { sigma: [0, 2], channelProbability: 0.5, probability: 0.1 }],
  blur: [{}, { sigma: [0.3, 1.5], perAxis: false, channelProbability: 0 }, { sigma: 0 }],
  brightness: [{}, { factor: [0.5, 2], channelProbability: 1 }, { factor: 1.1 }],
  contrast: [{}, { factor: [0.5, 2], preserveRange: false, channelProbability: 0.5 }],
  lowResolution: [{}, { scale: [0.25, 1], channelProbability: 1, ignoreAxes: [0] }, { scale: 0.5 }],
  gamma: [{}, { gamma: [0.7, 1.5], invert: true, retainStats: false, channelProbability: 0.5 }, { gamma: 1.5 }],
};

const BAD: [string, object, string][] = [
  ['noise', { sigma: -0.1 }, 'sigma'],
  ['noise', { sigma: [0.2, 0.1] }, 'sigma'],
  ['noise', { variance: [0, 0.1] }, 'variance'],
  ['noise', { probability: 2 }, 'probability'],
  ['blur', { sigma: 'wide' }, 'sigma'],
  ['blur', { perAxis: 1 }, 'perAxis'],
  ['blur', { channelProbability: 1.5 }, 'channelProbability'],
  ['brightness', { factor: [-1, 1] }, 'factor'],
  ['brightness', { range: [0.5, 1] }, 'range'],
  ['contrast', { preserveRange: 'yes' }, 'preserveRange'],
  ['contrast', { factor: [1] }, 'factor'],
  ['lowResolution', { scale: [0.5, 1.1] }, 'scale'],
  ['lowResolution', { ignoreAxes: [3] }, 'ignoreAxes'],
  ['lowResolution', { ignoreAxes: 0 }, 'ignoreAxes'],
  ['gamma', { gamma: 0 }, 'gamma'],
  ['gamma', { invert: null }, 'invert'],
  ['gamma', { retainStats: 'no' }, 'retainStats'],
  ['gamma', { channelProbability: Number.NaN }, 'channelProbability'],
];

const FINE: Step = { transform: 'noise' };
const CONTEXT: PatchContext = { channels: 3, shape: [4, 5, 6], axes: [0, 1, 2] };

describe('options of the intensity transforms', () => {
  for (const [name, steps] of Object.entries(GOOD)) {
    it.each(steps)(`${name} takes %j and draws plain data`, (options) => {
      const step = complete(TRANSFORMS[name], { transform: name, ...options });
      expect(step).toMatchObject(options);
      for (let sample = 0; sample < 20; sample++) {
        const draw = () => TRANSFORMS[name].draw(step, CONTEXT, new Draws(1, sample, TRANSFORMS[name].purpose));
        const parameters = draw();
        expect(JSON.parse(JSON.stringify(parameters))).toEqual(parameters);
        expect(draw()).toEqual(parameters);
      }
    });
  }

  it.each(BAD)('%s refuses %j and names %s', (name, options, option) => {
    const check = (): unknown => completeSteps([FINE, FINE, { transform: name, ...options }]);
    expect(check).toThrow(OptionError);
    expect(check).toThrow(expect.objectContaining({ where: `augmentation[2].${option}` }));
  });

  it('have stages of their own', () => {
    expect(Object.values(TRANSFORMS).map(({ purpose }) => purpose)).toEqual([2, 3, 4, 5, 6, 7]);
  });
});
