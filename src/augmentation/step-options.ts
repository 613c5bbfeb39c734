import type { Axis } from '../common/geometry.ts';
import type { OptionTable } from '../common/options.ts';
import { number, that } from '../common/schemas.ts';
import type { Range } from './ranges.ts';

/** What an option of a step says of itself besides its default, and the lowest and highest that it may be. */
interface Bounds {
  readonly from?: number;
  readonly to?: number;
  readonly help: string;
}

const isRange = (value: unknown, from: number, to: number, test: (end: number) => boolean): boolean => {
  const [low, high] = Array.isArray(value) && value.length === 2 ? value : [value, value];
  return test(low) && test(high) && low >= from && low <= high && high <= to;
};

const within = (from: number, to: number): string =>
  from === Number.NEGATIVE_INFINITY ? '' : to === Number.POSITIVE_INFINITY ? `, at least ${from}` : `, from ${from} to ${to}`;

/** An option that is a number, or [low, high] to draw from. As all of these it says its kind and ends, for who offers it to people. */
export function range(standard: Range, { from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY, help }: Bounds) {
  const is = `a number or [low, high]${within(from, to)}`;
  return {
    schema: that<Range>(is, (value) => isRange(value, from, to, Number.isFinite), LOW_FIRST),
    default: standard,
    help,
    kind: 'range',
    from,
    to,
  } as const;
}

/** An option that is a whole number, or [low, high] to draw from, both included. */
export function wholeRange(standard: Range, { from = Number.NEGATIVE_INFINITY, to = Number.POSITIVE_INFINITY, help }: Bounds) {
  const is = `a whole number or two [low, high], both included${within(from, to)}`;
  return {
    schema: that<Range>(is, (value) => isRange(value, from, to, Number.isSafeInteger), LOW_FIRST),
    default: standard,
    help,
    kind: 'range',
    from,
    to,
    whole: true,
  } as const;
}

const LOW_FIRST = 'Give one, with low not above high';

/** An option that says how often something happens. */
export function probability(standard: number, help: string) {
  const isOne = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value <= 1;
  return {
    schema: that<number>('a probability from 0 to 1', isOne),
    default: standard,
    help,
    kind: 'probability',
    from: 0,
    to: 1,
  } as const;
}

/** An option that is a number. */
export function amount(standard: number, { from, to, help }: Bounds) {
  return { schema: number(from, to), default: standard, help, kind: 'number', from, to } as const;
}

/** An option that is a list of axes. */
export function axes(standard: readonly Axis[], help: string) {
  const areAxes = (value: unknown): boolean =>
    Array.isArray(value) && value.every((axis) => [0, 1, 2].includes(axis)) && new Set(value).size === value.length;
  return {
    schema: that<readonly Axis[]>('a list of axes', areAxes, 'Give some of 0, 1 and 2, each once, in array order: z, y, x'),
    default: standard,
    help,
    kind: 'axes',
  } as const;
}

/** What every step may have besides the options of its transform. */
export const STEP_OPTIONS = {
  probability: probability(1, 'how often the step is made at all'),
} as const satisfies OptionTable;
