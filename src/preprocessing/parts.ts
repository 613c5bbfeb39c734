import { OptionError, StoreError } from '../common/errors.ts';
import type { Given, OptionTable } from '../common/options.ts';
import { partSchema, readPart } from '../common/part.ts';
import { flag } from '../common/schemas.ts';
import type { RawCase } from '../raw/raw-dataset.ts';

export const PART_OPTION = {
  /** Do a share of the cases, beside other processes that do the others: `[3, 16]` is the third of sixteen. */
  part: {
    schema: partSchema(),
    otherwise: 'all cases',
    flag: '--part K/N',
    read: readPart,
    typed: 'a part such as 3/16, the third of sixteen',
    help: 'do a share of the cases, beside other processes that do the others: 3/16 is the third of sixteen',
  },
} as const satisfies OptionTable;

export const FINISH_OPTION = {
  /** Put together what parts did. Cases that none of them did are named, and nothing is written. */
  finish: {
    schema: flag(),
    default: false,
    flag: '--finish',
    help: 'put together what parts did; cases that none of them did are named, and nothing is written',
  },
} as const satisfies OptionTable;

/** What is to be done of the work on a data set: all of it, a part, or to put parts together. */
export interface Share extends Given<typeof PART_OPTION>, Given<typeof FINISH_OPTION> {}

/** @throws OptionError */
export function checkShare({ part, finish }: Share): void {
  if (part !== undefined && finish)
    throw new OptionError('part', 'it does not go with `finish`', 'Run the parts first, and `finish` when all of them have ended');
}

/** Names are for people to look up; of more than this they want the number. */
const SHOWN = 20;

/** @throws StoreError naming the cases that no part did, if there are any */
export function refuseMissing(dir: string, missing: readonly RawCase[], total: number): void {
  if (missing.length === 0) return;
  const names = missing.slice(0, SHOWN).map(({ id }) => id);
  const more = missing.length > SHOWN ? ` and ${missing.length - SHOWN} more` : '';
  throw new StoreError(
    dir,
    `${missing.length} of ${total} cases are missing, or have changed since: ${names.join(', ')}${more}`,
    'Run the parts again: they do what is missing',
  );
}
