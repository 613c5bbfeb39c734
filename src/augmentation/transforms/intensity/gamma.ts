import { voxels } from '../../../common/geometry.ts';
import type { OptionTable } from '../../../common/options.ts';
import { flag } from '../../../common/schemas.ts';
import { drawChannels, drawFactor } from '../../ranges.ts';
import { probability, range } from '../../step-options.ts';
import type { StepOf, Transform } from '../../transform.ts';

const OPTIONS = {
  /** The power, drawn for each channel, half of the time from the range's part below 1, half from that above. Default [0.7, 1.5]. */
  gamma: range([0.7, 1.5], { from: 0.05, to: 10, help: 'the power, half of the time from its part below 1, half from that above' }),
  /** Whether channels are negated before and after. Default false. */
  invert: { schema: flag(), default: false, help: 'whether channels are negated before and after' },
  /** Whether channels get back the mean and the standard deviation that they had before. Default true. */
  retainStats: { schema: flag(), default: true, help: 'whether channels get back the mean and the standard deviation of before' },
  /** How often a channel is changed. Default 1. */
  channelProbability: probability(1, 'how often a channel is changed'),
} as const satisfies OptionTable;

/**
 * Raises voxels, as a part of their channel's range, to a power (batchgeneratorsv2's `GammaTransform`;
 * docs/nnunet.md#intensity). A channel with NaN becomes NaN.
 */
export interface GammaStep extends StepOf<'gamma', typeof OPTIONS> {}

export interface GammaParameters {
  /** For each channel. */
  gammas: (number | null)[];
}

/** What deviations are divided by at least, as in nnU-Net. */
const SMALLEST = 1e-7;

export const gamma: Transform<typeof OPTIONS, GammaParameters> = {
  purpose: 7,
  options: OPTIONS,
  bearsMirroring: true,

  draw({ gamma, channelProbability }, { channels }, draws) {
    const gammas = drawChannels(draws, channels, channelProbability, () => drawFactor(draws, gamma));
    return gammas && { gammas };
  },

  apply({ data, shape }, { gammas }, { invert, retainStats }, { kernels }) {
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
