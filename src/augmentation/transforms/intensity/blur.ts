import type { Axis } from '../../../common/geometry.ts';
import { triple, voxels } from '../../../common/geometry.ts';
import type { OptionTable } from '../../../common/options.ts';
import { roundHalfEven } from '../../../common/round.ts';
import { flag } from '../../../common/schemas.ts';
import { blurScratchBytes, type Taps } from '../../../kernels/intensity.ts';
import { drawChannels, drawRange } from '../../ranges.ts';
import { probability, range } from '../../step-options.ts';
import type { StepOf, Transform } from '../../transform.ts';

const OPTIONS = {
  /** Standard deviation of the Gaussian, in voxels. 0 to 1/6 changes nothing. Default [0.5, 1]. */
  sigma: range([0.5, 1], { from: 0, to: 64, help: 'standard deviation of the Gaussian, in voxels; 0 to 1/6 changes nothing' }),
  /** Whether each axis of a channel has a sigma of its own. Default true. */
  perAxis: { schema: flag(), default: true, help: 'whether each axis of a channel has a sigma of its own' },
  /** How often a channel is changed. Default 0.5. */
  channelProbability: probability(0.5, 'how often a channel is changed'),
} as const satisfies OptionTable;

/** Gaussian blur (batchgeneratorsv2's `GaussianBlurTransform`; docs/nnunet.md#intensity). */
export interface BlurStep extends StepOf<'blur', typeof OPTIONS> {}

export interface BlurParameters {
  /** For each channel one sigma for each axis of the patch. */
  sigmas: (number[] | null)[];
}

const NO_BLUR = Float32Array.of(1);

export const blur: Transform<typeof OPTIONS, BlurParameters> = {
  purpose: 3,
  options: OPTIONS,
  bearsMirroring: true,

  draw({ sigma, perAxis, channelProbability }, { channels, axes }, draws) {
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

  scratchBytes({ sigma }, { shape, axes }) {
    const longest = gaussian(typeof sigma === 'number' ? sigma : sigma[1]).length;
    const lengths = triple((axis) => (axes.includes(axis) ? longest : 1));
    return 3 * tapBytes(longest) + blurScratchBytes(shape, lengths);
  },
};

function tapBytes(length: number): number {
  return Math.ceil((length * 4) / 16) * 16;
}

/** Weights of sum 1: of 6 sigma + 0.5 voxels, rounded to an odd number (docs/nnunet.md#intensity). */
export function gaussian(sigma: number): Float32Array {
  const width = 6 * sigma + 0.5;
  const rounded = roundHalfEven(width);
  const length = rounded % 2 === 1 ? rounded : width - rounded >= 0 ? rounded + 1 : rounded - 1;
  if (length === 1) return NO_BLUR;
  const heights = Array.from({ length }, (_, i) => Math.exp(-0.5 * ((i - (length - 1) / 2) / sigma) ** 2));
  const sum = heights.reduce((total, height) => total + height, 0);
  return Float32Array.from(heights, (height) => height / sum);
}
