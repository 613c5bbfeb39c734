import { foregroundOf, type LabelClass } from '../raw/labels.ts';
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

/** Whether classes of a data set are regions, which masks show and single labels do not. */
export function areRegions(classes: readonly LabelClass[]): boolean {
  return foregroundOf(classes).some(({ labels }) => labels.length > 1);
}

/** Labels of a data set with regions as its masks would be outlined: the number of the last region that each belongs to, from 1. */
export function regionNumbers(labels: TargetArray | Int8Array, classes: readonly LabelClass[]): Int16Array {
  const numbers = new Map(foregroundOf(classes).flatMap((entry, i) => entry.labels.map((label) => [label, i + 1] as const)));
  return Int16Array.from(labels, (label) => numbers.get(label) ?? Math.min(label, 0));
}
