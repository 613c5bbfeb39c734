import { loadPart, storePart } from './part';

/** Makes each of `count` float32 x into factor * x + offset, kept within `lower` and `upper`. NaN stays NaN. */
export function linear(pointer: usize, count: usize, factor: f32, offset: f32, lower: f32, upper: f32): void {
  const a = f32x4.splat(factor);
  const b = f32x4.splat(offset);
  const low = f32x4.splat(lower);
  const high = f32x4.splat(upper);
  const end = pointer + (count << 2);
  for (const stop = pointer + ((count & ~15) << 2); pointer < stop; pointer += 64) {
    v128.store(pointer, map(v128.load(pointer), a, b, low, high));
    v128.store(pointer, map(v128.load(pointer, 16), a, b, low, high), 16);
    v128.store(pointer, map(v128.load(pointer, 32), a, b, low, high), 32);
    v128.store(pointer, map(v128.load(pointer, 48), a, b, low, high), 48);
  }
  for (; pointer + 16 <= end; pointer += 16) v128.store(pointer, map(v128.load(pointer), a, b, low, high));
  const rest = (end - pointer) >> 2;
  if (rest > 0) storePart(pointer, map(loadPart(pointer, rest), a, b, low, high), rest);
}

// @ts-ignore: a decorator of the compiler
@inline
function map(x: v128, a: v128, b: v128, low: v128, high: v128): v128 {
  return f32x4.pmin(f32x4.pmax(f32x4.add(f32x4.mul(a, x), b), low), high);
}
