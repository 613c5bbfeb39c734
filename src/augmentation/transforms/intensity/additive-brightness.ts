import { voxels } from '../../../common/geometry.ts';
import type { Draws } from '../../../common/random.ts';
import { checkProbability, drawChannels } from '../../ranges.ts';
import type { Step, Transform } from '../../transform.ts';
import { checkNumber, checkOptions } from '../check-options.ts';

/** Adds a normally distributed number to a channel (nnU-Net's DA5: batchgeneratorsv2's `BrightnessAdditiveTransform`). */
export interface AdditiveBrightnessStep extends Step {
  readonly transform: 'additiveBrightness';
  /** How often a channel is changed. Default 0.5. */
  readonly channelProbability?: number;
  /** Mean of what is added, in units of the normalised image. Default 0. */
  readonly mean?: number;
  /** Standard deviation of what is added. Default 0.5. */
  readonly sigma?: number;
}

export interface AdditiveBrightnessParameters {
  /** What is added to each channel. */
  shifts: (number | null)[];
}

/** Standard normal, of two uniform numbers (Box and Muller). */
function normal(draws: Draws): number {
  const radius = Math.sqrt(-2 * Math.log(1 - draws.uniform()));
  return radius * Math.cos(2 * Math.PI * draws.uniform());
}

export const additiveBrightness: Transform<AdditiveBrightnessStep, AdditiveBrightnessParameters> = {
  stage: 19,

  check(step, path) {
    checkOptions(step, path, ['channelProbability', 'mean', 'sigma']);
    const { channelProbability = 0.5, mean = 0, sigma = 0.5 } = step;
    checkProbability(`${path}.channelProbability`, channelProbability);
    checkNumber(`${path}.mean`, mean);
    checkNumber(`${path}.sigma`, sigma, 0);
  },

  draw({ channelProbability = 0.5, mean = 0, sigma = 0.5 }, { channels }, draws) {
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
