import { describe, expect, it } from 'vitest';
import { completeSteps } from '../../../src/augmentation/steps.ts';
import type { Step } from '../../../src/augmentation/transform.ts';
import { TRANSFORMS } from '../../../src/augmentation/transforms/index.ts';
import { sharpen } from '../../../src/augmentation/transforms/intensity/sharpen.ts';
import { oneOf } from '../../../src/augmentation/transforms/one-of.ts';
import { complete } from '../../fixtures/complete-step.ts';
import { applyTo, contextOf, drawMany } from './apply-to.ts';

const choose = oneOf((name) => TRANSFORMS[name]);

const shift: Step & { mean: number; sigma: number; channelProbability: number } = {
  transform: 'additiveBrightness',
  mean: 1,
  sigma: 0,
  channelProbability: 1,
};
const steps = {
  transform: 'oneOf',
  of: [
    { ...shift, probability: 0.25 },
    { transform: 'sharpen', channelProbability: 1 },
  ],
} as const;

describe('oneOf', () => {
  it('chooses steps equally often, then asks their own probabilities', () => {
    const drawn = drawMany(choose, steps, contextOf([4, 4]), 8000);
    const share = (choice: number | undefined): number => drawn.filter((made) => made?.choice === choice).length / drawn.length;
    expect(Math.abs(share(0) - 0.125)).toBeLessThan(0.02);
    expect(Math.abs(share(1) - 0.5)).toBeLessThan(0.02);
    expect(Math.abs(share(undefined) - 0.375)).toBeLessThan(0.02);
    expect(drawn.find((made) => made?.choice === 0)?.parameters).toEqual({ shifts: [1] });
  });

  it('applies the chosen step, nested ones too', () => {
    const nested = { transform: 'oneOf', of: [steps] } as const;
    const parameters = { choice: 0, parameters: { choice: 0, parameters: { shifts: [1] } } };
    expect([...applyTo(choose, nested, parameters, { shape: [1, 2], image: [3, 4] }).image]).toEqual([4, 5]);
  });

  it('needs the scratch of its largest step', () => {
    const context = contextOf([5, 6, 7]);
    expect(choose.scratchBytes?.(complete(choose, steps), context)).toBe(
      sharpen.scratchBytes?.(complete(sharpen, { transform: 'sharpen' }), context),
    );
    expect(choose.scratchBytes?.(complete(choose, { transform: 'oneOf', of: [shift] }), context)).toBe(0);
  });

  it.each([
    [{ of: [] }, /^augmentation\[2\]\.of: \[\] is not a list of steps\. Give the steps to choose from/],
    [{}, /^augmentation\[2\]\.of: nothing is not a list of steps/],
    [{ of: [shift, { transform: 'sharper' }] }, /^augmentation\[2\]\.of\[1\]: there is no transform "sharper"/],
    [{ of: [null] }, /^augmentation\[2\]\.of\[0\]: there is no transform/],
    [{ of: [{ ...shift, probability: 2 }] }, /^augmentation\[2\]\.of\[0\]\.probability: 2 is not a probability/],
    [{ of: [shift], channelProbability: 1 }, /^augmentation\[2\]\.channelProbability: 'oneOf' has no such option/],
  ])('refuses %j', (wrong, message) => {
    expect(() => completeSteps([shift, steps, { transform: 'oneOf', ...wrong } as never])).toThrow(message);
  });
});
