import { OptionError } from '../../common/errors.ts';

/** @throws OptionError unless it is true or false. */
export function checkFlag(where: string, value: unknown): void {
  if (typeof value === 'boolean') return;
  throw new OptionError(where, `${JSON.stringify(value) ?? 'nothing'} is neither true nor false`, 'Set it to true or false');
}
