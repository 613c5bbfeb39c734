import { voxels } from '../../../common/geometry.ts';
import { checkProbability, checkRange, drawChannels, drawRange, type Range } from '../../ranges.ts';
import type { Step, Transform } from '../../transform.ts';
import { checkOptions } from '../check-options.ts';
import { BUMP_OPTIONS, type Bump, type BumpOptions, bumpFactors, checkBump, drawBump } from './bump.ts';

/**
 * Gamma correction that is full at one place, in or beside the patch, and fades out away from it; the channel keeps its range
 * (nnU-Net's DA5: batchgeneratorsv2's `LocalGammaTransform`).
 */
export interface LocalGammaStep extends Step, BumpOptions {
  readonly transform: 'localGamma';
  /** How often a channel is changed. Default 0.5. */
  readonly channelProbability?: number;
  /** Half of the exponents are drawn from here: they brighten. Default [0.01, 0.8]. */
  readonly brightening?: Range;
  /** The other half: they darken. Default [1.5, 4]. */
  readonly darkening?: Range;
}

export interface LocalGammaParameters {
  /** Where each channel is corrected and by which exponent. */
  corrections: ((Bump & { gamma: number }) | null)[];
}

const BRIGHTENING: Range = [0.01, 0.8];
const DARKENING: Range = [1.5, 4];

/** A constant channel has no range: it stays as it is instead of being divided by 0. */
const SMALLEST_RANGE = 1e-8;

export const localGamma: Transform<LocalGammaStep, LocalGammaParameters> = {
  stage: 22,

  check(step, path) {
    checkOptions(step, path, ['channelProbability', 'brightening', 'darkening', ...BUMP_OPTIONS]);
    const { channelProbability = 0.5, brightening = BRIGHTENING, darkening = DARKENING } = step;
    checkProbability(`${path}.channelProbability`, channelProbability);
    checkRange(`${path}.brightening`, brightening, 0);
    checkRange(`${path}.darkening`, darkening, 0);
    checkBump(step, path);
  },

  draw(step, context, draws) {
    const { channelProbability = 0.5, brightening = BRIGHTENING, darkening = DARKENING } = step;
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
