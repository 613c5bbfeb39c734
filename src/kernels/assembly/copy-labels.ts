import { fetchRows } from './fetch-rows';
import { found } from './labels-found';

/**
 * Copies a box of `planes` × `rows` × `count` labels, int8, int16 (`bytes` each) or with `unsigned` not 0 uint8, to int16. Strides are in bytes, negative ones
 * count backwards. With `mirrored` not 0, each row is written from its other end. Returns 1 if any label is above 0, plus 2 if any is below.
 */
export function copyLabels(
  source: usize,
  sourceRow: usize,
  sourcePlane: usize,
  target: usize,
  targetRow: usize,
  targetPlane: usize,
  planes: i32,
  rows: i32,
  count: usize,
  bytes: i32,
  mirrored: i32,
  unsigned: i32,
): i32 {
  let highest = i16x8.splat(0);
  let lowest = highest;
  let high: i32 = 0;
  let low: i32 = 0;
  const wide = count & ~7;
  for (let plane = 0; plane < planes; plane++) {
    let from = source;
    let to = target;
    let fetched = 0;
    for (let row = 0; row < rows; row++) {
      if (row == fetched) fetched += fetchRows(from, sourceRow, rows - row, count * <usize>bytes);
      let i: usize = 0;
      for (; i < wide; i += 8) {
        const labels = bytes == 1 ? widened(v128.load64_zero(from + i), unsigned) : v128.load(from + (i << 1));
        if (mirrored) v128.store(to + ((count - 8 - i) << 1), v128.shuffle<i16>(labels, labels, 7, 6, 5, 4, 3, 2, 1, 0));
        else v128.store(to + (i << 1), labels);
        highest = i16x8.max_s(highest, labels);
        lowest = i16x8.min_s(lowest, labels);
      }
      for (; i < count; i++) {
        const label: i32 = bytes == 1 ? (unsigned ? <i32>load<u8>(from + i) : <i32>load<i8>(from + i)) : <i32>load<i16>(from + (i << 1));
        store<i16>(to + ((mirrored ? count - 1 - i : i) << 1), <i16>label);
        high = max(high, label);
        low = min(low, label);
      }
      from += sourceRow;
      to += targetRow;
    }
    source += sourcePlane;
    target += targetPlane;
  }
  return found(highest, lowest, high, low);
}

// @ts-ignore: a decorator of the compiler
@inline
function widened(labels: v128, unsigned: i32): v128 {
  return unsigned ? i16x8.extend_low_i8x16_u(labels) : i16x8.extend_low_i8x16_s(labels);
}
