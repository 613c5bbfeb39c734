import { voxels } from '../../../common/geometry.ts';
import type { OptionTable } from '../../../common/options.ts';
import { drawChannels, drawRange } from '../../ranges.ts';
import { probability, range } from '../../step-options.ts';
import type { StepOf, Transform } from '../../transform.ts';

const OPTIONS = {
  /**
   * Standard deviation of the noise, in units of the normalised image, the same for all channels. batchgeneratorsv2 calls it a
   * variance and uses it so. Default [0, 0.1].
   */
  sigma: range([0, 0.1], { from: 0, help: 'standard deviation of the noise, in units of the normalised image' }),
  /** How often a channel is changed. Default 1. */
  channelProbability: probability(1, 'how often a channel is changed'),
} as const satisfies OptionTable;

/** Adds independent normal numbers to the voxels (batchgeneratorsv2's `GaussianNoiseTransform`; docs/nnunet.md#intensity). */
export interface NoiseStep extends StepOf<'noise', typeof OPTIONS> {}

export interface NoiseParameters {
  /** Standard deviation for each channel. */
  sigmas: (number | null)[];
  /** Four 32-bit words. Every channel has noise of its own from them. */
  seed: number[];
}

export const noise: Transform<typeof OPTIONS, NoiseParameters> = {
  purpose: 2,
  options: OPTIONS,
  bearsMirroring: true,

  draw({ sigma, channelProbability }, { channels }, draws) {
    const drawn = drawRange(draws, sigma);
    const seed = Array.from({ length: 4 }, () => draws.below(2 ** 32));
    const sigmas = drawChannels(draws, channels, channelProbability, () => drawn);
    return sigmas && { sigmas, seed };
  },

  apply({ data, shape }, { sigmas, seed }, _step, { kernels }) {
    const count = voxels(shape);
    for (const [channel, sigma] of sigmas.entries())
      if (sigma !== null) kernels.noise(data + channel * count * 4, count, sigma, seed, channel);
  },
};
