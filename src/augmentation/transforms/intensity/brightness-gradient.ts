import { voxels } from '../../../common/geometry.ts';
import type { OptionTable } from '../../../common/options.ts';
import { drawChannels, drawRange } from '../../ranges.ts';
import { probability, range } from '../../step-options.ts';
import type { StepOf, Transform } from '../../transform.ts';
import { BUMP_OPTIONS, type Bump, type BumpOptions, bumpFactors, drawBump } from './bump.ts';

const OPTIONS = {
  /** How often a channel is changed. Default 0.5. */
  channelProbability: probability(0.5, 'how often a channel is changed'),
  /** The largest change, in units of the normalised image; half of the draws are taken negative. Default [1, 5]. */
  strength: range([1, 5], { from: 0, help: 'the largest change, in units of the normalised image; half of the draws are taken negative' }),
  ...BUMP_OPTIONS,
} as const satisfies OptionTable;

/**
 * Makes a channel brighter or darker towards one place, in or beside the patch, where the change is largest (nnU-Net's DA5:
 * batchgeneratorsv2's `BrightnessGradientAdditiveTransform` without centring).
 */
export interface BrightnessGradientStep extends BumpOptions, StepOf<'brightnessGradient', typeof OPTIONS> {}

export interface BrightnessGradientParameters {
  /** Where each channel changes and by how much. */
  gradients: ((Bump & { strength: number }) | null)[];
}

export const brightnessGradient: Transform<typeof OPTIONS, BrightnessGradientParameters> = {
  purpose: 21,
  options: OPTIONS,
  bearsMirroring: true,

  draw(step, context, draws) {
    const { channelProbability, strength } = step;
    const gradients = drawChannels(draws, context.channels, channelProbability, () => {
      const bump = drawBump(draws, context, step);
      const sign = draws.uniform() < 0.5 ? -1 : 1;
      return { ...bump, strength: sign * drawRange(draws, strength) };
    });
    return gradients && { gradients };
  },

  apply({ shape, data }, { gradients }, _step, { buffer }) {
    const count = voxels(shape);
    const [depth, height, width] = shape;
    for (const [channel, gradient] of gradients.entries()) {
      const bump = gradient && bumpFactors(gradient, shape);
      if (!bump) continue;
      const { strength } = gradient;
      const [planes, rows, columns] = bump.factors;
      const image = new Float32Array(buffer, data + channel * count * 4, count);
      let at = 0;
      for (let z = 0; z < depth; z++) {
        for (let y = 0; y < height; y++) {
          const row = planes[z] * rows[y];
          for (let x = 0; x < width; x++) image[at++] += strength * (row * columns[x] - bump.low);
        }
      }
    }
  },
};
