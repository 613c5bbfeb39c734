import { OptionError } from '../common/errors.ts';
import type { Draws } from '../common/random.ts';

/** A number taken as it is, or [low, high] to draw from uniformly. */
export type Range = number | readonly [number, number];

export function drawRange(draws: Draws, range: Range): number {
  if (typeof range === 'number') return range;
  const [low, high] = range;
  return low === high ? low : low + (high - low) * draws.uniform();
}

/**
 * A factor around 1: half of the draws are uniform below 1 and half above, however far the range reaches to each side
 * (batchgeneratorsv2's `BGContrast`; augmentation sheet, section 1).
 */
export function drawFactor(draws: Draws, range: Range): number {
  if (typeof range === 'number') return range;
  const [low, high] = range;
  const below = draws.uniform() < 0.5;
  return drawRange(draws, below && low < 1 ? [low, 1] : [Math.max(low, 1), high]);
}

/** One value for each channel that is drawn with `probability`, null for the others; null where no channel is. */
export function drawChannels<T>(draws: Draws, channels: number, probability: number, draw: () => T): (T | null)[] | null {
  const drawn = Array.from({ length: channels }, () => (draws.uniform() < probability ? draw() : null));
  return drawn.some((value) => value !== null) ? drawn : null;
}

export function checkProbability(where: string, value: unknown): void {
  if (typeof value === 'number' && value >= 0 && value <= 1) return;
  throw new OptionError(where, `${JSON.stringify(value) ?? 'nothing'} is not a probability`, 'Give a number from 0 to 1');
}

/** @throws OptionError unless it is a number or [low, high] within `lowest` and `highest`. */
export function checkRange(where: string, value: unknown, lowest: number, highest = Number.POSITIVE_INFINITY): void {
  const [low, high] = Array.isArray(value) && value.length === 2 ? value : [value, value];
  if (Number.isFinite(low) && Number.isFinite(high) && low <= high && low >= lowest && high <= highest) return;
  const within = `from ${lowest}${highest === Number.POSITIVE_INFINITY ? ' on' : ` to ${highest}`}`;
  throw new OptionError(
    where,
    `${JSON.stringify(value) ?? 'nothing'} is no range`,
    `Give a number, or two [low, high] with low not above high, ${within}`,
  );
}
