import { voxels } from '../../../common/geometry.ts';
import type { OptionTable } from '../../../common/options.ts';
import { amount } from '../../step-options.ts';
import type { StepOf, Transform } from '../../transform.ts';
import { CASCADE_OPTIONS, type CascadeOptions, drawCascadeChannels } from './cascade-channels.ts';
import { findComponents } from './components.ts';

const OPTIONS = {
  ...CASCADE_OPTIONS,
  /** Components of this fraction of the patch or more stay. Default 0.15. */
  limit: amount(0.15, { from: 0, to: 1, help: 'components of this fraction of the patch or more stay' }),
} as const satisfies OptionTable;

/**
 * Removes one connected component of a previous stage's label; corners connect. Large components stay (nnU-Net's cascade:
 * batchgeneratorsv2's `RemoveRandomConnectedComponentFromOneHotEncodingTransform`, nothing filled in).
 */
export interface RemoveComponentStep extends CascadeOptions, StepOf<'removeComponent', typeof OPTIONS> {}

export interface RemoveComponentParameters {
  /**
   * In the order in which they are made; `channel` counts from the first of the cascade's channels. Of n components small enough,
   * in the order of their first voxels, number floor(n * pick) goes; how many there are is not known before.
   */
  removals: { channel: number; pick: number }[];
}

export const removeComponent: Transform<typeof OPTIONS, RemoveComponentParameters> = {
  purpose: 27,
  options: OPTIONS,
  invisible: true,

  draw(step, context, draws) {
    const removals = drawCascadeChannels(draws, context, step).map((channel) => ({ channel, pick: draws.uniform() }));
    return removals.length > 0 ? { removals } : null;
  },

  apply(sample, { removals }, { channels, limit }, { buffer, scratch }) {
    const count = voxels(sample.shape);
    const labels = new Int32Array(buffer, scratch, count);
    const sizes = new Int32Array(buffer, scratch + count * 4, count);
    for (const { channel, pick } of removals) {
      const image = new Float32Array(buffer, sample.data + (sample.channels - channels + channel) * count * 4, count);
      const found = findComponents(image, sample.shape, labels, sizes);
      let small = 0;
      for (let k = 0; k < found; k++) if (sizes[k] < count * limit) sizes[small++] = k;
      if (small === 0) continue;
      const removed = sizes[Math.floor(small * pick)];
      for (let i = 0; i < count; i++) if (labels[i] === removed) image[i] = 0;
    }
  },

  scratchBytes: (_step, { shape }) => 8 * voxels(shape),
};
