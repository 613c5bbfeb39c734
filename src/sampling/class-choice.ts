import { isAnnotated, type LabelClass } from '../dataset/labels.ts';
import type { Draws } from '../random.ts';

/**
 * Which class a patch is centred on, as a position in `classes`, or null for a box anywhere (sampling sheet, section 4.3).
 * `counts` has the number of stored locations of each class in the case.
 *
 * Forced: uniform over the classes that are there, the annotated voxels only if there is nothing else. Not forced: anywhere,
 * except that data sets with an ignore label keep to annotated voxels.
 */
export function chooseClass(forced: boolean, classes: readonly LabelClass[], counts: readonly number[], draws: Draws): number | null {
  const annotated = classes.findIndex(isAnnotated);
  if (!forced) return annotated >= 0 && counts[annotated] > 0 ? annotated : null;
  const present = classes.map((_, i) => i).filter((i) => counts[i] > 0);
  const eligible = present.length > 1 ? present.filter((i) => i !== annotated) : present;
  return eligible.length === 0 ? null : eligible[draws.below(eligible.length)];
}
