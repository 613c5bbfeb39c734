import type { Padding } from './placement.ts';
import type { Roundings } from './roundings.ts';

const { abs, fround } = Math;

/** How coordinates beyond an axis are led back to it; `null` where they stay as they are. */
export type Fold = ((at: number, size: number) => number) | null;

/** As `grid_sample` defines the modes, with torch's roundings where they are asked for. */
export function foldOf(padding: Padding, alignCorners: boolean, roundings: Roundings): Fold {
  if (padding === 'border') return clamp;
  if (padding !== 'reflection') return null;
  // Mirrored at the middles of the outermost voxels, or half a voxel further out.
  const low = alignCorners ? 0 : -0.5;
  const round = roundings === null ? (value: number): number => value : fround;
  return (at, size) => {
    const period = 2 * (size - 1 - 2 * low);
    if (period === 0) return 0;
    if (roundings === 3) return clamp(reflectByFlips(at, size, low), size);
    const from = round(abs(at - low));
    const rest = round(from - Math.trunc(round(from / period)) * period);
    return clamp(round(Math.min(rest, round(period - rest)) + low), size);
  };
}

function clamp(at: number, size: number): number {
  return Math.min(Math.max(at, 0), size - 1);
}

function reflectByFlips(at: number, size: number, low: number): number {
  const span = size - 1 - 2 * low;
  const from = fround(abs(at - low));
  const rest = from % span;
  const flips = Math.floor(fround(from / span));
  return flips % 2 === 0 ? fround(rest + low) : fround(fround(span - rest) + low);
}
