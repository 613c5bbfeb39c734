import { OptionError } from '../common/errors.ts';
import { checkValue, refuseUnknown, shown } from '../common/options.ts';
import { that, wholeNumber } from '../common/schemas.ts';
import type { Positions } from './options/state.ts';

const position = wholeNumber(0, 2 ** 40);
const epoch = that<number>(
  'a number of epochs',
  (value) => value === Number.POSITIVE_INFINITY || (Number.isSafeInteger(value) && (value as number) >= 0),
  'Give a whole number from 0, or nothing to go on without end',
);

/** A batch that a stream is to go on with. @throws OptionError */
export function checkPosition(batch: number): void {
  checkValue(position, batch, 'batch');
}

/** The epoch before which to end. @throws OptionError */
export function checkEnd(epochs: number): void {
  checkValue(epoch, epochs, 'end');
}

/** @throws OptionError for what is no AbortSignal */
export function checkSignal(signal: unknown): void {
  if (signal === undefined || signal instanceof AbortSignal) return;
  throw new OptionError(
    'signal',
    `${shown(signal)} is no AbortSignal`,
    'Give { signal: AbortSignal.timeout(…) }, or that of an AbortController',
  );
}

/** Where streams are said to stand. @throws OptionError */
export function checkPositions(at: Partial<Positions>): void {
  refuseUnknown(at, ['training', 'validation']);
  for (const [name, batch] of Object.entries(at)) checkValue(position, batch, name);
}
