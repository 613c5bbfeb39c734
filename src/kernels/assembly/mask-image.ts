/** Sets float32 `image` to 0 wherever int16 `labels` is below 0; `count` voxels each. */
export function maskImage(image: usize, labels: usize, count: usize): void {
  const wide = count & ~7;
  const zero = i16x8.splat(0);
  let i: usize = 0;
  for (; i < wide; i += 8) {
    const outside = i16x8.lt_s(v128.load(labels + (i << 1)), zero);
    if (!v128.any_true(outside)) continue;
    const at = image + (i << 2);
    v128.store(at, v128.andnot(v128.load(at), i32x4.extend_low_i16x8_s(outside)));
    v128.store(at, v128.andnot(v128.load(at, 16), i32x4.extend_high_i16x8_s(outside)), 16);
  }
  for (; i < count; i++) if (load<i16>(labels + (i << 1)) < 0) store<f32>(image + (i << 2), 0);
}
