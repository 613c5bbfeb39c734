import { voxels } from '../../../common/geometry.ts';
import { checkProbability, checkRange, drawChannels, drawFactor, type Range } from '../../ranges.ts';
import type { Step, Transform } from '../../transform.ts';
import { checkOptions } from '../check-options.ts';

/** Multiplies channels by a factor (batchgeneratorsv2's `MultiplicativeBrightnessTransform`; augmentation sheet, section 4). */
export interface BrightnessStep extends Step {
  readonly transform: 'brightness';
  /** Drawn for each channel, half of the time from its part below 1, half from that above. Default [0.75, 1.25]. */
  readonly factor?: Range;
  /** How often a channel is changed. Default 1. */
  readonly channelProbability?: number;
}

export interface BrightnessParameters {
  /** For each channel. */
  factors: (number | null)[];
}

const FACTOR: Range = [0.75, 1.25];

export const brightness: Transform<BrightnessStep, BrightnessParameters> = {
  stage: 4,

  check(step, path) {
    checkOptions(step, path, ['factor', 'channelProbability']);
    const { factor = FACTOR, channelProbability = 1 } = step;
    checkRange(`${path}.factor`, factor, 0);
    checkProbability(`${path}.channelProbability`, channelProbability);
  },

  draw({ factor = FACTOR, channelProbability = 1 }, { channels }, draws) {
    const factors = drawChannels(draws, channels, channelProbability, () => drawFactor(draws, factor));
    return factors && { factors };
  },

  apply({ data, shape }, { factors }, _step, { kernels }) {
    const count = voxels(shape);
    for (const [channel, factor] of factors.entries()) if (factor !== null) kernels.linear(data + channel * count * 4, count, factor, 0);
  },
};
