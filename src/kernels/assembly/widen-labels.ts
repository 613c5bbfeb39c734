/**
 * Copies a box of `planes` × `rows` × `count` int8 labels into int16. Strides are in bytes.
 * Returns 1 if any label is above 0 (foreground), else 0.
 */
export function widenLabels(
  source: usize,
  sourceRow: usize,
  sourcePlane: usize,
  target: usize,
  targetRow: usize,
  targetPlane: usize,
  planes: i32,
  rows: i32,
  count: usize,
): i32 {
  let highest = i16x8.splat(0);
  let rest: i32 = 0;
  const wide = count & ~15;
  for (let plane = 0; plane < planes; plane++) {
    let from = source;
    let to = target;
    for (let row = 0; row < rows; row++) {
      let i: usize = 0;
      for (; i < wide; i += 16) {
        const labels = v128.load(from + i);
        const low = i16x8.extend_low_i8x16_s(labels);
        const high = i16x8.extend_high_i8x16_s(labels);
        v128.store(to + (i << 1), low);
        v128.store(to + (i << 1), high, 16);
        highest = i16x8.max_s(highest, i16x8.max_s(low, high));
      }
      for (; i < count; i++) {
        const label = <i32>load<i8>(from + i);
        store<i16>(to + (i << 1), <i16>label);
        rest = max(rest, label);
      }
      from += sourceRow;
      to += targetRow;
    }
    source += sourcePlane;
    target += targetPlane;
  }
  return i32(v128.any_true(highest)) | i32(rest > 0);
}
