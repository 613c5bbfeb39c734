import type { CustomTransform } from 'voxfeed';

/** Sets a few voxels of each channel far too bright, as a detector with hot pixels does. */
const spikes: CustomTransform<{ at: number[]; value: number }, { most: number; value?: number }> = {
  /** On the main thread, from the random numbers of the sample: which voxels. */
  draw(draws, { shape }, { most, value = 5 }) {
    const voxels = shape[0] * shape[1] * shape[2];
    return { at: Array.from({ length: draws.between(1, most) }, () => draws.below(voxels)), value };
  },

  /** In a worker, in place. The labels stay as they are. */
  apply({ image }, { at, value }) {
    for (const channel of image) for (const voxel of at) channel[voxel] = value;
  },
};

export default spikes;
