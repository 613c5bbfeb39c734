import { OptionError } from '../../common/errors.ts';
import { checkProbability, checkRange } from '../ranges.ts';
import type { Step } from '../transform.ts';

/**
 * Refuses misspelt options, which would else silently mean their defaults, and a `probability` that is none.
 * @throws OptionError whose `where` is `path`, a dot and the option.
 */
export function checkOptions(step: Step, path: string, names: readonly string[]): void {
  for (const name of Object.keys(step)) {
    if (name === 'transform' || name === 'probability' || names.includes(name)) continue;
    const known = [...names, 'probability'].map((known) => `\`${known}\``).join(', ');
    throw new OptionError(`${path}.${name}`, `'${step.transform}' has no such option`, `It has ${known}: correct the name or leave it out`);
  }
  if (step.probability !== undefined) checkProbability(`${path}.probability`, step.probability);
}

/** @throws OptionError unless it is a whole number or [low, high] of them, within `lowest` and `highest`. */
export function checkWhole(where: string, value: unknown, lowest: number, highest?: number): void {
  checkRange(where, value, lowest, highest);
  if ([value].flat().every(Number.isInteger)) return;
  throw new OptionError(where, `${JSON.stringify(value)} is not whole`, 'Give a whole number, or two [low, high], both included');
}

/** @throws OptionError unless it is one number, not below `lowest`. */
export function checkNumber(where: string, value: unknown, lowest = Number.NEGATIVE_INFINITY): void {
  if (Number.isFinite(value) && (value as number) >= lowest) return;
  const from = lowest === Number.NEGATIVE_INFINITY ? '' : `, ${lowest} or more`;
  throw new OptionError(where, `${JSON.stringify(value) ?? 'nothing'} is no number that can be used`, `Give one number${from}`);
}
