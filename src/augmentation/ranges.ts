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
 * (batchgeneratorsv2's `BGContrast`; docs/nnunet.md#factors).
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
