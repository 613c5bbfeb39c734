import { voxels } from '../../../common/geometry.ts';
import { checkProbability, checkRange, drawChannels, drawFactor, type Range } from '../../ranges.ts';
import type { Step, Transform } from '../../transform.ts';
import { checkFlag } from '../check-flag.ts';
import { checkOptions } from '../check-options.ts';

/** Draws voxels away from the mean of their channel, or towards it (batchgeneratorsv2's `ContrastTransform`; sheet, section 4). */
export interface ContrastStep extends Step {
  readonly transform: 'contrast';
  /** Drawn for each channel, half of the time from its part below 1, half from that above. Default [0.75, 1.25]. */
  readonly factor?: Range;
  /** Whether voxels are kept within the lowest and highest of before. Default true. */
  readonly preserveRange?: boolean;
  /** How often a channel is changed. Default 1. */
  readonly channelProbability?: number;
}

export interface ContrastParameters {
  /** For each channel. */
  factors: (number | null)[];
}

const FACTOR: Range = [0.75, 1.25];

export const contrast: Transform<ContrastStep, ContrastParameters> = {
  stage: 5,

  check(step, path) {
    checkOptions(step, path, ['factor', 'preserveRange', 'channelProbability']);
    const { factor = FACTOR, preserveRange = true, channelProbability = 1 } = step;
    checkRange(`${path}.factor`, factor, 0);
    checkFlag(`${path}.preserveRange`, preserveRange);
    checkProbability(`${path}.channelProbability`, channelProbability);
  },

  draw({ factor = FACTOR, channelProbability = 1 }, { channels }, draws) {
    const factors = drawChannels(draws, channels, channelProbability, () => drawFactor(draws, factor));
    return factors && { factors };
  },

  apply({ data, shape }, { factors }, { preserveRange = true }, { kernels }) {
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
