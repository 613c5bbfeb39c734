import { voxels } from '../../../common/geometry.ts';
import { checkProbability, checkRange, drawChannels, drawRange, type Range } from '../../ranges.ts';
import type { Step, Transform } from '../../transform.ts';
import { checkOptions } from '../check-options.ts';
import { BUMP_OPTIONS, type Bump, type BumpOptions, bumpFactors, checkBump, drawBump } from './bump.ts';

/**
 * Makes a channel brighter or darker towards one place, in or beside the patch, where the change is largest (nnU-Net's DA5:
 * batchgeneratorsv2's `BrightnessGradientAdditiveTransform` without centring).
 */
export interface BrightnessGradientStep extends Step, BumpOptions {
  readonly transform: 'brightnessGradient';
  /** How often a channel is changed. Default 0.5. */
  readonly channelProbability?: number;
  /** The largest change, in units of the normalised image; half of the draws are taken negative. Default [1, 5]. */
  readonly strength?: Range;
}

export interface BrightnessGradientParameters {
  /** Where each channel changes and by how much. */
  gradients: ((Bump & { strength: number }) | null)[];
}

const STRENGTH: Range = [1, 5];

export const brightnessGradient: Transform<BrightnessGradientStep, BrightnessGradientParameters> = {
  stage: 21,

  check(step, path) {
    checkOptions(step, path, ['channelProbability', 'strength', ...BUMP_OPTIONS]);
    const { channelProbability = 0.5, strength = STRENGTH } = step;
    checkProbability(`${path}.channelProbability`, channelProbability);
    checkRange(`${path}.strength`, strength, 0);
    checkBump(step, path);
  },

  draw(step, context, draws) {
    const { channelProbability = 0.5, strength = STRENGTH } = step;
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
