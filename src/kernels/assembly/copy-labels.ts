import { fetchRows } from './fetch-rows';
import { found } from './labels-found';

/**
 * Copies a box of `planes` × `rows` × `count` labels, int8, int16 (`bytes` each) or with `unsigned` not 0 uint8, to int16. Strides are in bytes, negative ones
 * count backwards. With `mirrored` not 0, each row is read from its other end. Returns 1 if any label is above 0, plus 2 if any is below.
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
  // A loop for each kind: what is asked for each vector would take longer than to copy it.
  if (bytes == 2) {
    if (mirrored) return copyRows<i16>(source, sourceRow, sourcePlane, target, targetRow, targetPlane, planes, rows, count, true);
    return copyRows<i16>(source, sourceRow, sourcePlane, target, targetRow, targetPlane, planes, rows, count, false);
  }
  if (unsigned) {
    if (mirrored) return copyRows<u8>(source, sourceRow, sourcePlane, target, targetRow, targetPlane, planes, rows, count, true);
    return copyRows<u8>(source, sourceRow, sourcePlane, target, targetRow, targetPlane, planes, rows, count, false);
  }
  if (mirrored) return copyRows<i8>(source, sourceRow, sourcePlane, target, targetRow, targetPlane, planes, rows, count, true);
  return copyRows<i8>(source, sourceRow, sourcePlane, target, targetRow, targetPlane, planes, rows, count, false);
}

// @ts-ignore: a decorator of the compiler
@inline
function copyRows<T>(
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
): i32 {
  const wide: usize = 16 / sizeof<T>();
  let highest = v128.splat<T>(0);
  let lowest = highest;
  let high: i32 = 0;
  let low: i32 = 0;
  for (let plane = 0; plane < planes; plane++) {
    let from = source;
    let to = target;
    let fetched = 0;
    for (let row = 0; row < rows; row++) {
      if (row == fetched) fetched += fetchRows(from, sourceRow, rows - row, count * sizeof<T>(), mirrored);
      let i: usize = 0;
      while (i + wide <= count) {
        // Not a choice between two values: the compiler makes one loop of both kinds then, which turns all labels and drops what it turned.
        let labels: v128;
        if (mirrored) labels = v128.load(from + (count - wide - i) * sizeof<T>());
        else labels = v128.load(from + i * sizeof<T>());
        highest = v128.max<T>(highest, labels);
        lowest = v128.min<T>(lowest, labels);
        if (mirrored) storeWide<T>(to + (i << 1), turned<T>(labels));
        else storeWide<T>(to + (i << 1), labels);
        i += wide;
        // The last vector overlaps the one before it: quicker than voxel by voxel.
        if (i < count && i + wide > count) i = count - wide;
      }
      for (; i < count; i++) {
        const label = <i32>load<T>(from + (mirrored ? count - 1 - i : i) * sizeof<T>());
        store<i16>(to + (i << 1), <i16>label);
        high = max(high, label);
        low = min(low, label);
      }
      from += sourceRow;
      to += targetRow;
    }
    source += sourcePlane;
    target += targetPlane;
  }
  if (sizeof<T>() == 1) {
    highest = v128.max<i16>(lower<T>(highest), upper<T>(highest));
    lowest = v128.min<i16>(lower<T>(lowest), upper<T>(lowest));
  }
  return found(highest, lowest, high, low);
}

/** Labels from the last to the first. */
// @ts-ignore: a decorator of the compiler
@inline
function turned<T>(labels: v128): v128 {
  if (sizeof<T>() == 2) return v128.shuffle<i16>(labels, labels, 7, 6, 5, 4, 3, 2, 1, 0);
  return v128.shuffle<i8>(labels, labels, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
}

/** A vector of labels as int16. */
// @ts-ignore: a decorator of the compiler
@inline
function storeWide<T>(to: usize, labels: v128): void {
  if (sizeof<T>() == 2) {
    v128.store(to, labels);
  } else {
    v128.store(to, lower<T>(labels));
    v128.store(to, upper<T>(labels), 16);
  }
}

// @ts-ignore: a decorator of the compiler
@inline
function lower<T>(labels: v128): v128 {
  return isSigned<T>() ? i16x8.extend_low_i8x16_s(labels) : i16x8.extend_low_i8x16_u(labels);
}

// @ts-ignore: a decorator of the compiler
@inline
function upper<T>(labels: v128): v128 {
  return isSigned<T>() ? i16x8.extend_high_i8x16_s(labels) : i16x8.extend_high_i8x16_u(labels);
}
