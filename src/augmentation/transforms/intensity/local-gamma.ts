import { voxels } from '../../../common/geometry.ts';
import type { OptionTable } from '../../../common/options.ts';
import { drawChannels, drawRange } from '../../ranges.ts';
import { probability, range } from '../../step-options.ts';
import type { StepOf, Transform } from '../../transform.ts';
import { BUMP_OPTIONS, type Bump, type BumpOptions, bumpFactors, drawBump } from './bump.ts';

const OPTIONS = {
  /** How often a channel is changed. Default 0.5. */
  channelProbability: probability(0.5, 'how often a channel is changed'),
  /** Half of the exponents are drawn from here: they brighten. Default [0.01, 0.8]. */
  brightening: range([0.01, 0.8], { from: 0, help: 'half of the exponents: they brighten' }),
  /** The other half: they darken. Default [1.5, 4]. */
  darkening: range([1.5, 4], { from: 0, help: 'the other half: they darken' }),
  ...BUMP_OPTIONS,
} as const satisfies OptionTable;

/**
 * Gamma correction that is full at one place, in or beside the patch, and fades out away from it; the channel keeps its range
 * (nnU-Net's DA5: batchgeneratorsv2's `LocalGammaTransform`).
 */
export interface LocalGammaStep extends BumpOptions, StepOf<'localGamma', typeof OPTIONS> {}

export interface LocalGammaParameters {
  /** Where each channel is corrected and by which exponent. */
  corrections: ((Bump & { gamma: number }) | null)[];
}

/** A constant channel has no range: it stays as it is instead of being divided by 0. */
const SMALLEST_RANGE = 1e-8;

export const localGamma: Transform<typeof OPTIONS, LocalGammaParameters> = {
  purpose: 22,
  options: OPTIONS,
  bearsMirroring: true,

  draw(step, context, draws) {
    const { channelProbability, brightening, darkening } = step;
    const corrections = drawChannels(draws, context.channels, channelProbability, () => {
      const bump = drawBump(draws, context, step);
      return { ...bump, gamma: drawRange(draws, draws.uniform() < 0.5 ? brightening : darkening) };
    });
    return corrections && { corrections };
  },

  apply({ shape, data }, { corrections }, _step, { buffer }) {
    const count = voxels(shape);
    const [depth, height, width] = shape;
    for (const [channel, correction] of corrections.entries()) {
      const bump = correction && bumpFactors(correction, shape);
      if (!bump) continue;
      const { gamma } = correction;
      const [planes, rows, columns] = bump.factors;
      const image = new Float32Array(buffer, data + channel * count * 4, count);
      const [lowest, highest] = extremes(image);
      const range = Math.max(highest - lowest, SMALLEST_RANGE);
      let at = 0;
      for (let z = 0; z < depth; z++) {
        for (let y = 0; y < height; y++) {
          const row = planes[z] * rows[y];
          for (let x = 0; x < width; x++, at++) {
            const value = (image[at] - lowest) / range;
            image[at] = (value + (value ** gamma - value) * (row * columns[x] - bump.low)) * range + lowest;
          }
        }
      }
    }
  },
};

/** NaN is passed over: it would else spread from one voxel to all. */
function extremes(image: Float32Array): [number, number] {
  let lowest = Number.POSITIVE_INFINITY;
  let highest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < image.length; i++) {
    if (image[i] < lowest) lowest = image[i];
    if (image[i] > highest) highest = image[i];
  }
  return [lowest, highest];
}
