import type { Line } from '../kernels/kernels.ts';

export type { Line } from '../kernels/kernels.ts';

/** Beyond, products could leave float32. */
const MOST = 1e38;

/**
 * Numbers as int16, on a line from their least to their largest: off by half a step, (largest - least) / 131068, and by what float32 rounds.
 * 0 stays 0 where it lies between them, as what is outside of the body must. Of one number alone, `scale` is 0.
 * @throws RangeError for what is not finite, or beyond 1e38
 */
export function toInt16(values: Float32Array): { line: Line; stored: Int16Array } {
  let [least, largest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < values.length; i++) {
    if (!(Math.abs(values[i]) <= MOST)) throw new RangeError(`it holds ${values[i]}, which int16 cannot stand for`);
    if (values[i] < least) least = values[i];
    if (values[i] > largest) largest = values[i];
  }
  // Both ends are rounded to whole steps from 0, which takes up to one more.
  const scale = Math.fround((largest - least) / 65534);
  // JSON has no -0.
  if (scale === 0) return { line: { offset: least + 0, scale }, stored: new Int16Array(values.length) };
  const offset = Math.fround((Math.round(least / scale) + 32768) * scale);
  const stored = Int16Array.from(values, (value) => Math.max(-32768, Math.min(32767, Math.round((value - offset) / scale))));
  return { line: { offset, scale }, stored };
}

/** The numbers that int16 stand for, to `values`. */
export function fromInt16(stored: ArrayLike<number>, { offset, scale }: Line): Float32Array {
  return Float32Array.from(stored, (value) => offset + Math.fround(scale * value));
}
