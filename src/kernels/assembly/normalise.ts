/**
 * Makes each of `count` float32 x, kept within `lower` and `upper`, into (x - shift) / divisor: the difference in float32, as NumPy
 * has it, the quotient in float64. NaN stays NaN.
 */
export function normalise(pointer: usize, count: usize, lower: f32, upper: f32, shift: f32, divisor: f64): void {
  const low = f32x4.splat(lower);
  const high = f32x4.splat(upper);
  const shifts = f32x4.splat(shift);
  const divisors = f64x2.splat(divisor);
  const end = pointer + (count << 2);
  for (const stop = pointer + ((count & ~3) << 2); pointer < stop; pointer += 16) {
    const x = f32x4.sub(f32x4.min(f32x4.max(v128.load(pointer), low), high), shifts);
    const near = f32x4.demote_f64x2_zero(f64x2.div(f64x2.promote_low_f32x4(x), divisors));
    const far = f32x4.demote_f64x2_zero(f64x2.div(f64x2.promote_low_f32x4(v128.shuffle<i64>(x, x, 1, 0)), divisors));
    v128.store(pointer, v128.shuffle<i64>(near, far, 0, 2));
  }
  for (; pointer < end; pointer += 4) {
    const x = min(max(load<f32>(pointer), lower), upper);
    store<f32>(pointer, <f32>(<f64>(x - shift) / divisor));
  }
}
