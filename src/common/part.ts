import { that } from './schemas.ts';

/** A share of the work on a data set, counted from one: `[3, 16]` is the third of sixteen. */
export type Part = readonly [number: number, of: number];

/** More parts than this are a slip of the pen. */
const MOST = 100_000;

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= MOST;

export const partSchema = () =>
  that<Part>(
    'a part such as [3, 16], the third of sixteen',
    (value) => Array.isArray(value) && value.length === 2 && value.every(isCount) && value[0] <= value[1],
    'Give its number, from 1 on, and how many there are',
  );

/** "3/16". */
export function readPart(text: string): unknown {
  const [, number, of] = /^(\d+)\/(\d+)$/.exec(text.trim()) ?? [];
  return of === undefined ? text : [Number(number), Number(of)];
}

export function showPart([number, of]: Part): string {
  return `${number}/${of}`;
}

/** What a part has of a list: every item is in one part of `of`. Neighbours, which are often alike, are in different ones. */
export function partOf<T>(items: readonly T[], part?: Part): T[] {
  return items.filter((_, i) => part === undefined || i % part[1] === part[0] - 1);
}
