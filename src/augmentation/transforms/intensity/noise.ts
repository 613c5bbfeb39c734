import { voxels } from '../../../common/geometry.ts';
import { checkProbability, checkRange, drawChannels, drawRange, type Range } from '../../ranges.ts';
import type { Step, Transform } from '../../transform.ts';
import { checkOptions } from '../check-options.ts';

/** Adds independent normal numbers to the voxels (batchgeneratorsv2's `GaussianNoiseTransform`; augmentation sheet, section 4). */
export interface NoiseStep extends Step {
  readonly transform: 'noise';
  /**
   * Standard deviation of the noise, in units of the normalised image, the same for all channels. batchgeneratorsv2 calls it a
   * variance and uses it so. Default [0, 0.1].
   */
  readonly sigma?: Range;
  /** How often a channel is changed. Default 1. */
  readonly channelProbability?: number;
}

export interface NoiseParameters {
  /** Standard deviation for each channel. */
  sigmas: (number | null)[];
  /** Four 32-bit words. Every channel has noise of its own from them. */
  seed: number[];
}

const SIGMA: Range = [0, 0.1];

export const noise: Transform<NoiseStep, NoiseParameters> = {
  stage: 2,

  check(step, path) {
    checkOptions(step, path, ['sigma', 'channelProbability']);
    const { sigma = SIGMA, channelProbability = 1 } = step;
    checkRange(`${path}.sigma`, sigma, 0);
    checkProbability(`${path}.channelProbability`, channelProbability);
  },

  draw({ sigma = SIGMA, channelProbability = 1 }, { channels }, draws) {
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
