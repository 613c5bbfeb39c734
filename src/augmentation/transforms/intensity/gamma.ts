import { voxels } from '../../../common/geometry.ts';
import { checkProbability, checkRange, drawChannels, drawFactor, type Range } from '../../ranges.ts';
import type { Step, Transform } from '../../transform.ts';
import { checkFlag } from '../check-flag.ts';
import { checkOptions } from '../check-options.ts';

/**
 * Raises voxels, as a part of their channel's range, to a power (batchgeneratorsv2's `GammaTransform`; augmentation sheet,
 * section 4). A channel with NaN becomes NaN.
 */
export interface GammaStep extends Step {
  readonly transform: 'gamma';
  /** The power, drawn for each channel, half of the time from the range's part below 1, half from that above. Default [0.7, 1.5]. */
  readonly gamma?: Range;
  /** Whether channels are negated before and after. Default false. */
  readonly invert?: boolean;
  /** Whether channels get back the mean and the standard deviation that they had before. Default true. */
  readonly retainStats?: boolean;
  /** How often a channel is changed. Default 1. */
  readonly channelProbability?: number;
}

export interface GammaParameters {
  /** For each channel. */
  gammas: (number | null)[];
}

const GAMMA: Range = [0.7, 1.5];
/** What deviations are divided by at least, as in nnU-Net. */
const SMALLEST = 1e-7;

export const gamma: Transform<GammaStep, GammaParameters> = {
  stage: 7,

  check(step, path) {
    checkOptions(step, path, ['gamma', 'invert', 'retainStats', 'channelProbability']);
    const { gamma = GAMMA, invert = false, retainStats = true, channelProbability = 1 } = step;
    checkRange(`${path}.gamma`, gamma, 0.05, 10);
    checkFlag(`${path}.invert`, invert);
    checkFlag(`${path}.retainStats`, retainStats);
    checkProbability(`${path}.channelProbability`, channelProbability);
  },

  draw({ gamma = GAMMA, channelProbability = 1 }, { channels }, draws) {
    const gammas = drawChannels(draws, channels, channelProbability, () => drawFactor(draws, gamma));
    return gammas && { gammas };
  },

  apply({ data, shape }, { gammas }, { invert = false, retainStats = true }, { kernels }) {
    const count = voxels(shape);
    for (const [channel, exponent] of gammas.entries()) {
      if (exponent === null) continue;
      const pointer = data + channel * count * 4;
      const statistics = kernels.statistics(pointer, count);
      const { mean, deviation } = kernels.gamma({ pointer, count, exponent, invert, statistics });
      if (!retainStats) continue;
      const factor = Math.fround(statistics.deviation / Math.max(deviation, SMALLEST));
      kernels.linear(pointer, count, factor, statistics.mean - factor * mean);
    }
  },
};
