import { voxels } from '../../../common/geometry.ts';
import type { OptionTable } from '../../../common/options.ts';
import { drawChannels, drawFactor } from '../../ranges.ts';
import { probability, range } from '../../step-options.ts';
import type { StepOf, Transform } from '../../transform.ts';

const OPTIONS = {
  /** Drawn for each channel, half of the time from its part below 1, half from that above. Default [0.75, 1.25]. */
  factor: range([0.75, 1.25], { from: 0, help: 'drawn for each channel, half of the time from its part below 1, half from that above' }),
  /** How often a channel is changed. Default 1. */
  channelProbability: probability(1, 'how often a channel is changed'),
} as const satisfies OptionTable;

/** Multiplies channels by a factor (batchgeneratorsv2's `MultiplicativeBrightnessTransform`; docs/nnunet.md#intensity). */
export interface BrightnessStep extends StepOf<'brightness', typeof OPTIONS> {}

export interface BrightnessParameters {
  /** For each channel. */
  factors: (number | null)[];
}

export const brightness: Transform<typeof OPTIONS, BrightnessParameters> = {
  purpose: 4,
  options: OPTIONS,
  bearsMirroring: true,

  draw({ factor, channelProbability }, { channels }, draws) {
    const factors = drawChannels(draws, channels, channelProbability, () => drawFactor(draws, factor));
    return factors && { factors };
  },

  apply({ data, shape }, { factors }, _step, { kernels }) {
    const count = voxels(shape);
    for (const [channel, factor] of factors.entries()) if (factor !== null) kernels.linear(data + channel * count * 4, count, factor, 0);
  },
};
