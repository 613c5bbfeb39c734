import type { Draws } from '../common/random.ts';
import { isAnnotated, type LabelClass } from '../raw/labels.ts';
import { WeightedChoice } from './weighted-choice.ts';

/**
 * Which class a patch is centred on, as a position in `classes`, or null for a box anywhere (docs/nnunet.md#choice-of-a-class).
 * `counts` has the number of stored locations of each class in the case.
 *
 * Forced: uniform over the classes that are there, or by `weights` (one a class; 0: never); the annotated voxels only if there is
 * nothing else. Not forced: anywhere, except that data sets with an ignore label keep to annotated voxels.
 */
export function chooseClass(
  forced: boolean,
  classes: readonly LabelClass[],
  counts: ArrayLike<number>,
  draws: Draws,
  weights: readonly number[] | null = null,
): number | null {
  const annotated = classes.findIndex(isAnnotated);
  const fallback = annotated >= 0 && counts[annotated] > 0 ? annotated : null;
  if (!forced) return fallback;
  const eligible = classes.map((_, i) => i).filter((i) => i !== annotated && counts[i] > 0 && (weights === null || weights[i] > 0));
  if (eligible.length === 0) return fallback;
  if (weights === null) return eligible[draws.below(eligible.length)];
  return eligible[new WeightedChoice(eligible.map((i) => weights[i])).draw(draws)];
}
