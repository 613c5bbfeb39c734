import * as v from 'valibot';
import { list, number, object, positiveNumber, that, triple, wholeNumber } from '../common/schemas.ts';

const MOST = Number.MAX_SAFE_INTEGER;

/** An xxHash64 as files have it. */
export const hash = () => that<string>('16 hexadecimal digits', (value) => typeof value === 'string' && /^[0-9a-f]{16}$/.test(value));

/** What may be any text, also an empty one. */
export const anyText = () => that<string>('a text', (value) => typeof value === 'string');

export const storedFile = () => object({ bytes: wholeNumber(0, MOST), xxh64: hash() });

export const shape = () => triple(wholeNumber(1, 2 ** 31));

export const spacing = () => triple(positiveNumber());

export const axes = () =>
  that<number[]>(
    'an order of the axes 0, 1, 2',
    (value) => Array.isArray(value) && value.length === 3 && [0, 1, 2].every((axis) => value.includes(axis)),
  );

export const coverage = () => list(object({ patch: shape(), any: number(0, 1), classes: list(number(0, 1)) }));

/** Of all cases, see `MeanCoverage`. */
export const meanCoverage = () =>
  list(object({ patch: shape(), any: number(0, 1), classes: list(object({ cases: wholeNumber(0, MOST), seen: number(0, 1) })) }));

export const lines = () => list(object({ offset: number(), scale: number(0) }));

/** A label of a voxel, -1 for what lies outside of the nonzero region included. */
const label = () => wholeNumber(-1, 32767);

export const labels = () =>
  object({
    values: v.pipe(list(label()), v.minLength(1, 'it is empty')),
    ignore: v.nullable(label()),
    classes: v.pipe(
      list(object({ name: anyText(), labels: v.pipe(list(label()), v.minLength(1, 'it is empty')) })),
      v.minLength(1, 'it is empty'),
    ),
  });

/** What the cases of a store were written with, as far as it is used again; other keys are for people. */
export const writtenOptions = () =>
  object({
    normalisation: v.optional(list(object({ scheme: anyText() }))),
    transpose: v.optional(axes()),
    spacing: v.optional(list(positiveNumber())),
    resampling: v.optional(object({})),
  });
