import type { TargetArray } from '../shared-memory/target-array.ts';

/**
 * Labels to outline in a picture of one sample: its labels, or of several masks the number of the last that holds a voxel, from 1.
 * @param target [channels, z, y, x]
 */
export function outlinedLabels(target: TargetArray, channels: number): TargetArray {
  if (channels === 1) return target;
  const count = target.length / channels;
  const labels = new Int16Array(count);
  for (let region = 0; region < channels; region++)
    for (let i = 0; i < count; i++) if (target[region * count + i] === 1) labels[i] = region + 1;
  return labels;
}
