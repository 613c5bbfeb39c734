/** Runs of one thing on a quiet machine lie within this of each other, as a part of their median. */
export const MOST_SPREAD = 0.15;
/** Fewer runs say nothing about how they spread. */
export const FEWEST_RUNS = 3;

/** One measured number: all runs of it, and whether it may be quoted. */
export interface Figure {
  median: number;
  low: number;
  high: number;
  /** (high - low) / median. */
  spread: number;
  reliable: boolean;
  /** In the order in which they were made. */
  runs: number[];
}

/** The middle one; of an even number, the mean of the two in the middle. @throws Error where there is none */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('there is no median of nothing');
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** What runs come to. One is reliable if there are three runs or more, and the spread of all of them, outliers too, is 15 % or less. */
export function figure(runs: readonly number[]): Figure {
  const [middle, low, high] = [median(runs), Math.min(...runs), Math.max(...runs)];
  // Runs that are all 0 agree.
  const spread = high === low ? 0 : (high - low) / Math.abs(middle);
  return {
    median: short(middle),
    low: short(low),
    high: short(high),
    spread: Number(spread.toFixed(3)),
    reliable: runs.length >= FEWEST_RUNS && spread <= MOST_SPREAD,
    runs: runs.map(short),
  };
}

/** Run by run, one divided by the other: what both share, such as a slow spell of the machine, cancels out. */
export function ratio(over: readonly number[], under: readonly number[]): Figure {
  return figure(over.slice(0, under.length).map((value, run) => value / under[run]));
}

/** Four significant digits: more would claim a precision that no timing has. */
export function short(value: number): number {
  return Number(value.toPrecision(4));
}

/** As a reader sees it: the median, or that there is none to quote, and between what the runs lie. */
export function showFigure({ median: middle, low, high, reliable, runs }: Figure): string {
  const digits = (value: number): string => Number(value.toPrecision(3)).toLocaleString('en-GB', { maximumSignificantDigits: 3 });
  if (reliable) return digits(middle);
  return runs.length === 1 ? `not reliable (one run: ${digits(middle)})` : `not reliable (${digits(low)} to ${digits(high)})`;
}
