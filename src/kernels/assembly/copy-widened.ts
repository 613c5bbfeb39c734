import { fetchRows } from './fetch-rows';

/** 2^112, the difference between the biases of both exponents. */
const REBIAS: u32 = 0x77800000;

/**
 * Copies a box of `planes` × `rows` × `count` float16 to float32, exactly. Strides are in bytes, negative ones count backwards. With
 * `mirrored` not 0, each row is read from its other end.
 */
export function copyFloat16(
  source: usize,
  sourceRow: usize,
  sourcePlane: usize,
  target: usize,
  targetRow: usize,
  targetPlane: usize,
  planes: i32,
  rows: i32,
  count: usize,
  mirrored: i32,
): void {
  if (mirrored) copyWidened<f32>(source, sourceRow, sourcePlane, target, targetRow, targetPlane, planes, rows, count, true, 1, 0);
  else copyWidened<f32>(source, sourceRow, sourcePlane, target, targetRow, targetPlane, planes, rows, count, false, 1, 0);
}

/** The same of int16: `offset` + `scale` times each, a product and a sum in float32. */
export function copyInt16(
  source: usize,
  sourceRow: usize,
  sourcePlane: usize,
  target: usize,
  targetRow: usize,
  targetPlane: usize,
  planes: i32,
  rows: i32,
  count: usize,
  mirrored: i32,
  scale: f32,
  offset: f32,
): void {
  if (mirrored) copyWidened<i16>(source, sourceRow, sourcePlane, target, targetRow, targetPlane, planes, rows, count, true, scale, offset);
  else copyWidened<i16>(source, sourceRow, sourcePlane, target, targetRow, targetPlane, planes, rows, count, false, scale, offset);
}

/** T is what is stored: i16, or f32 for float16. */
// @ts-ignore: a decorator of the compiler
@inline
function copyWidened<T>(
  source: usize,
  sourceRow: usize,
  sourcePlane: usize,
  target: usize,
  targetRow: usize,
  targetPlane: usize,
  planes: i32,
  rows: i32,
  count: usize,
  mirrored: bool,
  scale: f32,
  offset: f32,
): void {
  const scales = f32x4.splat(scale);
  const offsets = f32x4.splat(offset);
  const wide = count & ~7;
  for (let plane = 0; plane < planes; plane++) {
    let from = source;
    let to = target;
    let fetched = 0;
    for (let row = 0; row < rows; row++) {
      if (row == fetched) fetched += fetchRows(from, sourceRow, rows - row, count << 1, mirrored);
      let i: usize = 0;
      for (; i < wide; i += 8) {
        const stored = v128.load(from + ((mirrored ? count - 8 - i : i) << 1));
        const low = widened<T>(i32x4.extend_low_i16x8_s(stored), scales, offsets);
        const high = widened<T>(i32x4.extend_high_i16x8_s(stored), scales, offsets);
        if (mirrored) {
          v128.store(to + (i << 2), v128.shuffle<i32>(high, high, 3, 2, 1, 0));
          v128.store(to + (i << 2), v128.shuffle<i32>(low, low, 3, 2, 1, 0), 16);
        } else {
          v128.store(to + (i << 2), low);
          v128.store(to + (i << 2), high, 16);
        }
      }
      for (; i < count; i++) {
        const value = f32x4.extract_lane(widened<T>(i32x4.splat(<i32>load<i16>(from + ((mirrored ? count - 1 - i : i) << 1))), scales, offsets), 0);
        store<f32>(to + (i << 2), value);
      }
      from += sourceRow;
      to += targetRow;
    }
    source += sourcePlane;
    target += targetPlane;
  }
}

/** Four of them, each in a lane. */
// @ts-ignore: a decorator of the compiler
@inline
function widened<T>(stored: v128, scales: v128, offsets: v128): v128 {
  if (isInteger<T>()) return f32x4.add(offsets, f32x4.mul(scales, f32x4.convert_i32x4_s(stored)));
  return widenedHalves(stored);
}

/**
 * Four float16, each in the lower half of a lane, as float32: exponent and fraction where a float32 has its own, then times 2^112, which
 * makes subnormal ones right, too. Infinity and NaN have the highest exponent of either.
 */
// @ts-ignore: a decorator of the compiler
@inline
function widenedHalves(halves: v128): v128 {
  const magnitude = i32x4.shl(v128.and(halves, i32x4.splat(0x7fff)), 13);
  const sign = i32x4.shl(v128.and(halves, i32x4.splat(0x8000)), 16);
  const value = f32x4.mul(magnitude, f32x4.splat(reinterpret<f32>(REBIAS)));
  const highest = v128.and(i32x4.ge_s(magnitude, i32x4.splat(0x0f800000)), i32x4.splat(0x7f800000));
  return v128.or(v128.or(value, highest), sign);
}
