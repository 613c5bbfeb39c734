import type { Triple } from '../../../src/common/geometry.ts';
import { along } from './along.ts';

/** Steps from `from` to `to` and turns round at each end. */
function walk(from: number, to: number, size: number): number {
  if (size === 1) return 0;
  let at = from;
  let direction = Math.sign(to - from);
  for (let steps = Math.abs(to - from); steps > 0; steps--) {
    if (at + direction < 0 || at + direction >= size) direction = -direction;
    at += direction;
  }
  return at;
}

/** One axis after the other, in float64. */
export function blur(image: Float32Array, shape: Triple, weights: readonly Float32Array[]): Float64Array {
  return weights.reduce<Float64Array>(
    (blurred, taps, axis) =>
      along(blurred, shape, axis, (line) =>
        line.map((_, i) => taps.reduce((sum, tap, k) => sum + tap * line[walk(i, i + k - (taps.length >> 1), line.length)], 0)),
      ),
    Float64Array.from(image),
  );
}
