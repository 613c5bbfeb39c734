import type { Triple } from '../common/geometry.ts';
import type { Coverage } from './sidecar.ts';

/** How often random patches of a size hold foreground, over the cases of a store. */
export interface MeanCoverage {
  patch: Triple;
  /** The part of them that hold any, 0 to 1. */
  any: number;
  /** Of each class: the same over the cases that hold it, and how many those are. */
  classes: { cases: number; seen: number }[];
}

/** @param cases one a case, all of one patch */
export function meanCoverage(cases: readonly Coverage[]): Omit<MeanCoverage, 'patch'> {
  return {
    any: mean(cases.map(({ any }) => any)),
    classes: (cases[0]?.classes ?? []).map((_, i) => {
      const holding = cases.map(({ classes }) => classes[i]).filter((part) => part > 0);
      return { cases: holding.length, seen: mean(holding) };
    }),
  };
}

/** For each patch that all cases were measured with. */
export function meanCoverages(cases: readonly { coverage: readonly Coverage[] }[]): MeanCoverage[] {
  return cases[0].coverage.flatMap(({ patch }) => {
    const measured = cases.flatMap(({ coverage }) => coverage.find((found) => found.patch.join() === patch.join()) ?? []);
    return measured.length === cases.length ? [{ patch, ...meanCoverage(measured) }] : [];
  });
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
