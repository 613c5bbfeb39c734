import { voxels } from '../../../common/geometry.ts';
import { checkProbability } from '../../ranges.ts';
import type { Step, Transform } from '../../transform.ts';
import { checkOptions } from '../check-options.ts';
import { type CascadeOptions, checkCascadeChannels, drawCascadeChannels } from './cascade-channels.ts';
import { findComponents } from './components.ts';

/**
 * Removes one connected component of a previous stage's label; corners connect. Large components stay (nnU-Net's cascade:
 * batchgeneratorsv2's `RemoveRandomConnectedComponentFromOneHotEncodingTransform`, nothing filled in).
 */
export interface RemoveComponentStep extends Step, CascadeOptions {
  readonly transform: 'removeComponent';
  /** Components of this fraction of the patch or more stay. Default 0.15. */
  readonly limit?: number;
}

export interface RemoveComponentParameters {
  /**
   * In the order in which they are made; `channel` counts from the first of the cascade's channels. Of n components small enough,
   * in the order of their first voxels, number floor(n * pick) goes; how many there are is not known before.
   */
  removals: { channel: number; pick: number }[];
}

export const removeComponent: Transform<RemoveComponentStep, RemoveComponentParameters> = {
  stage: 27,

  check(step, path) {
    checkOptions(step, path, ['channels', 'channelProbability', 'limit']);
    const { channelProbability = 0.5, limit = 0.15 } = step;
    checkCascadeChannels(step.channels, path);
    checkProbability(`${path}.channelProbability`, channelProbability);
    checkProbability(`${path}.limit`, limit);
  },

  draw(step, context, draws) {
    const removals = drawCascadeChannels(draws, context, step).map((channel) => ({ channel, pick: draws.uniform() }));
    return removals.length > 0 ? { removals } : null;
  },

  apply(sample, { removals }, { channels, limit = 0.15 }, { buffer, scratch }) {
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
