import * as v from 'valibot';
import { isPlainObject, shown } from './options.ts';

/** What a schema says of a value that it refuses: the first line is what is wrong, the second what to do (see `checkValue`). */
export function refusal(what: string, action: string): (issue: v.BaseIssue<unknown>) => string {
  return ({ input }) => `${shown(input)} ${what}\n${action}`;
}

/**
 * A value that passes a test.
 * @param is what it is, in words, for errors and the reference page: "a whole number from 0 to 9"
 */
export function that<T>(is: string, test: (value: unknown) => boolean, action = 'Give one') {
  return v.pipe(v.custom<T>(test, refusal(`is not ${is}`, action)), v.description(is));
}

export const wholeNumber = (low: number, high: number) =>
  that<number>(
    high >= Number.MAX_SAFE_INTEGER ? `a whole number from ${low} on` : `a whole number from ${low} to ${high}`,
    (value) => Number.isSafeInteger(value) && (value as number) >= low && (value as number) <= high,
  );

export const number = (low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY) =>
  that<number>(
    low === Number.NEGATIVE_INFINITY
      ? 'a number'
      : high === Number.POSITIVE_INFINITY
        ? `a number of at least ${low}`
        : `a number from ${low} to ${high}`,
    (value) => Number.isFinite(value) && (value as number) >= low && (value as number) <= high,
  );

export const positiveNumber = () => that<number>('a number above 0', (value) => Number.isFinite(value) && (value as number) > 0);

export const flag = () =>
  v.pipe(
    v.custom<boolean>((value) => typeof value === 'boolean', refusal('is neither true nor false', 'Set it to true or false')),
    v.description('true or false'),
  );

/** A text with something in it. */
export const text = (is = 'a text') => that<string>(is, (value) => typeof value === 'string' && value !== '');

export const oneOf = <const T extends string>(names: readonly T[]) =>
  v.pipe(v.picklist(names, refusal('is not known', `Choose one of ${names.join(', ')}`)), v.description(`one of ${names.join(', ')}`));

/** An object with at least these entries, each as its schema says. */
export const object = <const E extends v.ObjectEntries>(entries: E) =>
  v.pipe(
    v.custom<Record<string, unknown>>(isPlainObject, ({ input }) =>
      input === undefined ? 'it is missing' : `${shown(input)} is no object`,
    ),
    v.looseObject(entries, () => 'it is missing'),
  );

/** A list of a kind. */
export const list = <S extends v.GenericSchema>(of: S) =>
  v.array(of, ({ input }) => (input === undefined ? 'it is missing' : `${shown(input)} is no list`));

/** An object whose entries are of a kind, under names of a kind. */
export const byName = <S extends v.GenericSchema>(of: S, names: v.GenericSchema<string> = v.string()) =>
  v.pipe(
    v.custom<Record<string, unknown>>(isPlainObject, ({ input }) =>
      input === undefined ? 'it is missing' : `${shown(input)} is no object`,
    ),
    v.record(names, of),
  );

/** Three values, one an axis of a volume. */
export const triple = <S extends v.GenericSchema>(of: S) =>
  v.strictTuple([of, of, of], ({ input }) => (Array.isArray(input) ? `${shown(input)} is not three values` : `${shown(input)} is no list`));

export const callback = <T extends (...args: never[]) => unknown>() => that<T>('a function', (value) => typeof value === 'function');
