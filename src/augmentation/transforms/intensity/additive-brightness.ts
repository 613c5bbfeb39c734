import { voxels } from '../../../common/geometry.ts';
import type { OptionTable } from '../../../common/options.ts';
import type { Draws } from '../../../common/random.ts';
import { drawChannels } from '../../ranges.ts';
import { amount, probability } from '../../step-options.ts';
import type { StepOf, Transform } from '../../transform.ts';

const OPTIONS = {
  /** How often a channel is changed. Default 0.5. */
  channelProbability: probability(0.5, 'how often a channel is changed'),
  /** Mean of what is added, in units of the normalised image. Default 0. */
  mean: amount(0, { help: 'mean of what is added, in units of the normalised image' }),
  /** Standard deviation of what is added. Default 0.5. */
  sigma: amount(0.5, { from: 0, help: 'standard deviation of what is added' }),
} as const satisfies OptionTable;

/** Adds a normally distributed number to a channel (nnU-Net's DA5: batchgeneratorsv2's `BrightnessAdditiveTransform`). */
export interface AdditiveBrightnessStep extends StepOf<'additiveBrightness', typeof OPTIONS> {}

export interface AdditiveBrightnessParameters {
  /** What is added to each channel. */
  shifts: (number | null)[];
}

/** Standard normal, of two uniform numbers (Box and Muller). */
function normal(draws: Draws): number {
  const radius = Math.sqrt(-2 * Math.log(1 - draws.uniform()));
  return radius * Math.cos(2 * Math.PI * draws.uniform());
}

export const additiveBrightness: Transform<typeof OPTIONS, AdditiveBrightnessParameters> = {
  purpose: 19,
  options: OPTIONS,
  bearsMirroring: true,

  draw({ channelProbability, mean, sigma }, { channels }, draws) {
    const shifts = drawChannels(draws, channels, channelProbability, () => mean + sigma * normal(draws));
    return shifts && { shifts };
  },

  apply(sample, { shifts }, _step, { buffer }) {
    const count = voxels(sample.shape);
    for (const [channel, drawn] of shifts.entries()) {
      if (drawn === null) continue;
      const shift = Math.fround(drawn);
      const image = new Float32Array(buffer, sample.data + channel * count * 4, count);
      for (let i = 0; i < count; i++) image[i] += shift;
    }
  },
};
