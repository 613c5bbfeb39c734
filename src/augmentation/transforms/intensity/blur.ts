import { triple, voxels } from '../../../common/geometry.ts';
import { roundHalfEven } from '../../../common/round.ts';
import { blurScratchBytes, type Taps } from '../../../kernels/intensity.ts';
import { checkProbability, checkRange, drawChannels, drawRange, type Range } from '../../ranges.ts';
import type { Axis, Step, Transform } from '../../transform.ts';
import { checkFlag } from '../check-flag.ts';
import { checkOptions } from '../check-options.ts';

/** Gaussian blur (batchgeneratorsv2's `GaussianBlurTransform`; augmentation sheet, section 4). */
export interface BlurStep extends Step {
  readonly transform: 'blur';
  /** Standard deviation of the Gaussian, in voxels. 0 to 1/6 changes nothing. Default [0.5, 1]. */
  readonly sigma?: Range;
  /** Whether each axis of a channel has a sigma of its own. Default true. */
  readonly perAxis?: boolean;
  /** How often a channel is changed. Default 0.5. */
  readonly channelProbability?: number;
}

export interface BlurParameters {
  /** For each channel one sigma for each axis of the patch. */
  sigmas: (number[] | null)[];
}

const SIGMA: Range = [0.5, 1];
const NO_BLUR = Float32Array.of(1);

export const blur: Transform<BlurStep, BlurParameters> = {
  stage: 3,

  check(step, path) {
    checkOptions(step, path, ['sigma', 'perAxis', 'channelProbability']);
    const { sigma = SIGMA, perAxis = true, channelProbability = 0.5 } = step;
    checkRange(`${path}.sigma`, sigma, 0, 64);
    checkFlag(`${path}.perAxis`, perAxis);
    checkProbability(`${path}.channelProbability`, channelProbability);
  },

  draw({ sigma = SIGMA, perAxis = true, channelProbability = 0.5 }, { channels, axes }, draws) {
    const sigmas = drawChannels(draws, channels, channelProbability, () => {
      if (perAxis) return axes.map(() => drawRange(draws, sigma));
      const drawn = drawRange(draws, sigma);
      return axes.map(() => drawn);
    });
    return sigmas && { sigmas };
  },

  apply({ data, shape, axes }, { sigmas }, _step, { kernels, buffer, scratch }) {
    const count = voxels(shape);
    for (const [channel, drawn] of sigmas.entries()) {
      if (drawn === null) continue;
      let end = scratch;
      const put = (axis: Axis): Taps => {
        const at = axes.indexOf(axis);
        const weights = at < 0 ? NO_BLUR : gaussian(drawn[at]);
        const pointer = end;
        new Float32Array(buffer, pointer, weights.length).set(weights);
        end += tapBytes(weights.length);
        return { pointer, length: weights.length };
      };
      const taps = [put(0), put(1), put(2)] as const;
      if (taps.some(({ length }) => length > 1)) kernels.blur({ pointer: data + channel * count * 4, shape, taps, scratch: end });
    }
  },

  scratchBytes({ sigma = SIGMA }, { shape, axes }) {
    const longest = gaussian(typeof sigma === 'number' ? sigma : sigma[1]).length;
    const lengths = triple((axis) => (axes.includes(axis) ? longest : 1));
    return 3 * tapBytes(longest) + blurScratchBytes(shape, lengths);
  },
};

function tapBytes(length: number): number {
  return Math.ceil((length * 4) / 16) * 16;
}

/** Weights of sum 1: of 6 sigma + 0.5 voxels, rounded to an odd number (augmentation sheet, section 4). */
export function gaussian(sigma: number): Float32Array {
  const width = 6 * sigma + 0.5;
  const rounded = roundHalfEven(width);
  const length = rounded % 2 === 1 ? rounded : width - rounded >= 0 ? rounded + 1 : rounded - 1;
  if (length === 1) return NO_BLUR;
  const heights = Array.from({ length }, (_, i) => Math.exp(-0.5 * ((i - (length - 1) / 2) / sigma) ** 2));
  const sum = heights.reduce((total, height) => total + height, 0);
  return Float32Array.from(heights, (height) => height / sum);
}
