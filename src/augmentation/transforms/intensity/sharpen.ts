import { voxels } from '../../../common/geometry.ts';
import type { OptionTable } from '../../../common/options.ts';
import { drawChannels, drawRange } from '../../ranges.ts';
import { probability, range } from '../../step-options.ts';
import type { StepOf, Transform } from '../../transform.ts';

const OPTIONS = {
  /** How often a channel is sharpened. Default 0.5. */
  channelProbability: probability(0.5, 'how often a channel is sharpened'),
  /** Factor of the sum of differences, drawn for each channel. Default [0.1, 1]. */
  strength: range([0.1, 1], { from: 0, help: 'factor of the sum of differences, drawn for each channel' }),
} as const satisfies OptionTable;

/**
 * Adds to each voxel by how much it differs from its direct neighbours, the border repeated outwards, without keeping the old range
 * (nnU-Net's DA5: batchgeneratorsv2's `SharpeningTransform`).
 */
export interface SharpenStep extends StepOf<'sharpen', typeof OPTIONS> {}

export interface SharpenParameters {
  /** The factor of each channel. */
  strengths: (number | null)[];
}

export const sharpen: Transform<typeof OPTIONS, SharpenParameters> = {
  purpose: 23,
  options: OPTIONS,
  bearsMirroring: true,

  draw({ channelProbability, strength }, { channels }, draws) {
    const strengths = drawChannels(draws, channels, channelProbability, () => drawRange(draws, strength));
    return strengths && { strengths };
  },

  apply({ shape, data }, { strengths }, _step, { buffer, scratch }) {
    const [depth, height, width] = shape;
    const count = voxels(shape);
    const plane = height * width;
    const before = new Float32Array(buffer, scratch, count);
    for (const [channel, strength] of strengths.entries()) {
      if (strength === null) continue;
      const image = new Float32Array(buffer, data + channel * count * 4, count);
      before.set(image);
      let at = 0;
      for (let z = 0; z < depth; z++) {
        const above = z > 0 ? -plane : 0;
        const below = z + 1 < depth ? plane : 0;
        for (let y = 0; y < height; y++) {
          const behind = y > 0 ? -width : 0;
          const ahead = y + 1 < height ? width : 0;
          for (let x = 0; x < width; x++, at++) {
            const left = x > 0 ? -1 : 0;
            const right = x + 1 < width ? 1 : 0;
            // Along an axis of one voxel both neighbours are the voxel itself: a 2D patch needs no case of its own.
            const around =
              before[at + above] + before[at + below] + before[at + behind] + before[at + ahead] + before[at + left] + before[at + right];
            image[at] = before[at] + strength * (6 * before[at] - around);
          }
        }
      }
    }
  },

  scratchBytes: (_step, { shape }) => voxels(shape) * 4,
};
