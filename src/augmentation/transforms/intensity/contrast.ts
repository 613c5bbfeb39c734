import { voxels } from '../../../common/geometry.ts';
import type { OptionTable } from '../../../common/options.ts';
import { flag } from '../../../common/schemas.ts';
import { drawChannels, drawFactor } from '../../ranges.ts';
import { probability, range } from '../../step-options.ts';
import type { StepOf, Transform } from '../../transform.ts';

const OPTIONS = {
  /** Drawn for each channel, half of the time from its part below 1, half from that above. Default [0.75, 1.25]. */
  factor: range([0.75, 1.25], { from: 0, help: 'drawn for each channel, half of the time from its part below 1, half from that above' }),
  /** Whether voxels are kept within the lowest and highest of before. Default true. */
  preserveRange: { schema: flag(), default: true, help: 'whether voxels are kept within the lowest and highest of before' },
  /** How often a channel is changed. Default 1. */
  channelProbability: probability(1, 'how often a channel is changed'),
} as const satisfies OptionTable;

/** Draws voxels away from the mean of their channel, or towards it (batchgeneratorsv2's `ContrastTransform`; docs/nnunet.md#intensity). */
export interface ContrastStep extends StepOf<'contrast', typeof OPTIONS> {}

export interface ContrastParameters {
  /** For each channel. */
  factors: (number | null)[];
}

export const contrast: Transform<typeof OPTIONS, ContrastParameters> = {
  purpose: 5,
  options: OPTIONS,
  bearsMirroring: true,

  draw({ factor, channelProbability }, { channels }, draws) {
    const factors = drawChannels(draws, channels, channelProbability, () => drawFactor(draws, factor));
    return factors && { factors };
  },

  apply({ data, shape }, { factors }, { preserveRange }, { kernels }) {
    const count = voxels(shape);
    for (const [channel, drawn] of factors.entries()) {
      if (drawn === null) continue;
      const image = data + channel * count * 4;
      const { mean, lowest, highest } = kernels.statistics(image, count);
      // (x - mean) * factor + mean, with the factor that the kernel multiplies by.
      const factor = Math.fround(drawn);
      if (preserveRange) kernels.linear(image, count, factor, mean - factor * mean, lowest, highest);
      else kernels.linear(image, count, factor, mean - factor * mean);
    }
  },
};
