/**
 * Copies `rows` rows of `count` int8 labels into int16 rows. Returns 1 if any of them is above 0 (foreground), else 0.
 */
export function widenLabels(
  source: usize, sourceStride: usize,
  target: usize, targetStride: usize,
  rows: i32, count: usize,
): i32 {
  let seen = i16x8.splat(0);
  let last: i32 = 0;
  const wide = count & ~15;
  for (let row = 0; row < rows; row++) {
    let i: usize = 0;
    for (; i < wide; i += 16) {
      const labels = v128.load(source + i);
      const low = i16x8.extend_low_i8x16_s(labels);
      const high = i16x8.extend_high_i8x16_s(labels);
      v128.store(target + (i << 1), low);
      v128.store(target + (i << 1), high, 16);
      seen = i16x8.max_s(seen, i16x8.max_s(low, high));
    }
    for (; i < count; i++) {
      const label = <i32>load<i8>(source + i);
      store<i16>(target + (i << 1), <i16>label);
      last = max(last, label);
    }
    source += sourceStride;
    target += targetStride;
  }
  return i32(v128.any_true(seen) || last > 0);
}
