import { MIXED } from './vote';

/** Makes a box one label. */
export function fill(target: usize, row: usize, plane: usize, depth: i32, height: i32, width: i32, label: i32): void {
  const labels = i16x8.splat(<i16>label);
  const wide = width & ~7;
  for (let i = 0; i < depth; i++, target += plane) {
    for (let j = 0; j < height; j++) {
      const to = target + <usize>j * row;
      let k = 0;
      for (; k < wide; k += 8) v128.store(to + (<usize>k << 1), labels);
      for (; k < width; k++) store<i16>(to + (<usize>k << 1), <i16>label);
    }
  }
}

/** The label that all of a box are, or MIXED. */
// biome-ignore format: one argument a line would hide the code
export function onlyLabel(source: usize, sourceRow: usize, sourcePlane: usize, bytes: i32, planes: i32, rows: i32, count: usize): i32 {
  const first: i32 = bytes == 1 ? load<i8>(source) : load<i16>(source);
  const all = bytes == 1 ? i8x16.splat(<i8>first) : i16x8.splat(<i16>first);
  const length = count * <usize>bytes;
  let others = i16x8.splat(0);
  let other: i32 = 0;
  for (let i = 0; i < planes; i++, source += sourcePlane) {
    let from = source;
    for (let j = 0; j < rows; j++, from += sourceRow) {
      if (length < 16) {
        for (let k: usize = 0; k < count; k++) other |= (bytes == 1 ? load<i8>(from + k) : load<i16>(from + (k << 1))) ^ first;
        continue;
      }
      // The last vector overlaps the one before it: quicker than voxel by voxel.
      const last = from + length - 16;
      for (let at = from; at < last; at += 16) others = v128.or(others, v128.xor(v128.load(at), all));
      others = v128.or(others, v128.xor(v128.load(last), all));
    }
    if (v128.any_true(others) || other != 0) return MIXED;
  }
  return first;
}

/** Copies rows of labels as int16. */
// biome-ignore format: one argument a line would hide the code
export function copyRows(
  source: usize, sourceRow: usize, sourcePlane: usize, bytes: i32, target: usize, targetRow: usize, targetPlane: usize,
  planes: i32, rows: i32, count: usize,
): void {
  for (let i = 0; i < planes; i++, source += sourcePlane, target += targetPlane) {
    let from = source;
    let to = target;
    for (let j = 0; j < rows; j++, from += sourceRow, to += targetRow) {
      if (count < 8) {
        for (let k: usize = 0; k < count; k++) store<i16>(to + (k << 1), bytes == 1 ? <i16>load<i8>(from + k) : load<i16>(from + (k << 1)));
        continue;
      }
      for (let k: usize = 0; k < count - 8; k += 8) v128.store(to + (k << 1), eight(from, k, bytes));
      v128.store(to + ((count - 8) << 1), eight(from, count - 8, bytes));
    }
  }
}

/**
 * Copies rows of labels as float32, if there are no more than two besides each other: 0 of `one`, 1 of the other. Returns the other
 * label, or MIXED where there are more, or too few voxels in a row.
 */
// biome-ignore format: one argument a line would hide the code
export function shareRows(
  source: usize, sourceRow: usize, sourcePlane: usize, bytes: i32, one: i32, target: usize, targetRow: usize, targetPlane: usize,
  planes: i32, rows: i32, count: usize,
): i32 {
  if (count < 8) return MIXED;
  const ones = i16x8.splat(<i16>one);
  const whole = f32x4.splat(1);
  let other: i32 = MIXED;
  let others = ones;
  for (let i = 0; i < planes; i++, source += sourcePlane, target += targetPlane) {
    let from = source;
    let to = target;
    for (let j = 0; j < rows; j++, from += sourceRow, to += targetRow) {
      for (let k: usize = 0; ; ) {
        const labels = eight(from, k, bytes);
        const differ = i16x8.ne(labels, ones);
        if (!i16x8.all_true(i16x8.eq(v128.bitselect(labels, others, differ), others))) {
          if (other != MIXED) return MIXED;
          const first = k + <usize>ctz(i16x8.bitmask(differ));
          other = bytes == 1 ? load<i8>(from + first) : load<i16>(from + (first << 1));
          others = i16x8.splat(<i16>other);
          // Once more, for a third label among the eight.
          continue;
        }
        v128.store(to + (k << 2), v128.and(whole, i32x4.extend_low_i16x8_s(differ)));
        v128.store(to + (k << 2), v128.and(whole, i32x4.extend_high_i16x8_s(differ)), 16);
        if (k == count - 8) break;
        // The last vector overlaps the one before it.
        k = min(k + 8, count - 8);
      }
    }
  }
  return other;
}

/** Eight labels as int16. */
// @ts-ignore: a decorator of the compiler
@inline
function eight(from: usize, at: usize, bytes: i32): v128 {
  return bytes == 1 ? i16x8.extend_low_i8x16_s(v128.load64_zero(from + at)) : v128.load(from + (at << 1));
}

/** The first `count` of four. */
// @ts-ignore: a decorator of the compiler
@inline
export function storeLabels(to: usize, labels: v128, count: i32): void {
  if (count >= 4) {
    v128.store64_lane(to, labels, 0);
    return;
  }
  store<i16>(to, i16x8.extract_lane_s(labels, 0));
  if (count > 1) store<i16>(to, i16x8.extract_lane_s(labels, 1), 2);
  if (count > 2) store<i16>(to, i16x8.extract_lane_s(labels, 2), 4);
}
