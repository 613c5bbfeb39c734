import { isAnnotated, type LabelClass } from '../raw/labels.ts';
import { type MeanCoverage, meanCoverage } from '../store/mean-coverage.ts';
import type { Coverage } from '../store/sidecar.ts';

/** How much foreground oversampling a data set needs. */
export interface OversamplingAdvice {
  /** The fraction to take, 0.1 to 0.5. */
  recommended: number;
  /** Why, in one sentence. */
  reason: string;
  /** The part of random patches that hold any foreground, over all cases. */
  any: number;
  /** Per class: the same over the cases that hold it, and how many those are. */
  classes: { name: string; cases: number; seen: number }[];
}

/** nnU-Net's own fraction. */
const PARITY = 0.33;
/** Every class should be in this part of the patches. */
const WANTED = 0.5;
/** If nearly every random patch holds every class, forcing changes nothing. */
const ALWAYS = 0.95;
/** A few patches stay forced: with none, chance leaves long stretches of a training without foreground. */
const LEAST = 0.1;

/**
 * The rule: take the class that random patches see least, in the cases that hold it, and let s be the part of random patches
 * that see it. With a fraction f of patches forced onto it, f + (1 - f) s of them hold it; the recommended f is the one that
 * makes this one half, f = (1/2 - s) / (1 - s), but at least 0.1. It is nnU-Net's 0.33 where s = 1/4, more where foreground
 * is rarer, less where random patches see it anyway. Where s is at least 0.95, forcing changes nothing: nnU-Net's 0.33 stays.
 * @param cases one a case, all measured with one patch
 */
export function adviseOversampling(cases: readonly Coverage[], classes: readonly LabelClass[]): OversamplingAdvice {
  return adviceFor(meanCoverage(cases), classes);
}

/** The same, of what was measured over all cases. */
export function adviceFor(
  { any, classes: measured }: Pick<MeanCoverage, 'any' | 'classes'>,
  classes: readonly LabelClass[],
): OversamplingAdvice {
  const seen = classes.flatMap((entry, i) => (isAnnotated(entry) ? [] : [{ name: entry.name, ...(measured[i] ?? { cases: 0, seen: 0 }) }]));
  const present = seen.filter((entry) => entry.cases > 0);
  if (present.length === 0) return { recommended: PARITY, reason: 'no case holds any foreground', any, classes: seen };
  const rarest = present.reduce((a, b) => (b.seen < a.seen ? b : a));
  const part = `random patches see ${rarest.name}, the rarest class, in ${(100 * rarest.seen).toFixed(1)} % of draws`;
  if (rarest.seen >= ALWAYS) return { recommended: PARITY, reason: `${part}: forcing makes no difference`, any, classes: seen };
  const needed = (WANTED - rarest.seen) / (1 - rarest.seen);
  const recommended = Math.max(LEAST, Math.round(100 * needed) / 100);
  return { recommended, reason: `${part}; half of all patches are to hold it`, any, classes: seen };
}
