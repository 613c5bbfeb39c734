import { loadPart, storePart } from './part';

// Results of the latest call: sums of the powers less the power of the centre, and of the squares of that.
export let gammaCentre: f64 = 0;
export let gammaSum: f64 = 0;
export let gammaSquares: f64 = 0;

/**
 * Loaded where they are used: there are more of them than registers, and loading one costs less than making it of scalars.
 *
 * log2(m) = s (A0 + A1 s² + A2 s⁴) with s = (m - 1) / (m + 1), for m from √½ to √2; absolute error 3e-8.
 * 2^r = 1 + B0 r + … + B4 r⁵, for r from -½ to ½; relative error 1e-7.
 */
const TABLE = memory.data<f32>([
  2.88539128939, 0.961470805272, 0.598973986327, // A
  0.6931469776, 0.240222420834, 0.05550733739, 0.0096715127362, 0.00132647288262, // B
  1,
  12582912, // 1.5 · 2^23: adding it rounds to an integer, which is then in the low bits.
  -127,
  1.17549435e-38, // The lowest normal number.
  0.7071067811865476,
  -Infinity, // The bits of an exponent, and the sign.
]);

/**
 * So many vectors go through the logarithm and then through the power of 2: in halves, more of a vector's long chain of operations
 * fits into what the processor looks ahead. They are also summed in float32 before they go to float64.
 */
const BLOCK: usize = 64;

/**
 * Makes each of `count` float32 x into ((x - origin) * inverse) ^ exponent * range + origin. The power is of numbers from 0 to 1:
 * what is above 1 by rounding counts as 1, what is below the normal numbers as 0. Those of 0 and of 1 are exact; the relative error
 * of a power is below 1e-6 down to 2^-16 and below 6e-6 down to the normal numbers. With `inverse` and `range` below 0, `origin` is
 * where x is highest instead of lowest: the same as the power of the negated image, negated.
 *
 * Sums of the powers v, from which mean and deviation of the new image follow: `gammaSum` of v - c and `gammaSquares` of (v - c)²,
 * where c, `gammaCentre`, is the power of `centre`. Near the mean they are exact enough in float32, block by block.
 */
export function gamma(pointer: usize, count: usize, origin: f32, inverse: f32, range: f32, exponent: f32, centre: f32): void {
  const from = f32x4.splat(origin);
  const inverses = f32x4.splat(inverse);
  const ranges = f32x4.splat(range);
  const g = f32x4.splat(exponent);
  // Exponents are 2^23 times too large.
  const ge = f32x4.splat(exponent * 1.1920928955078125e-7);
  const c = exp2(logs(f32x4.splat(centre), g, ge));

  let sum = f64x2.splat(0);
  let squares = f64x2.splat(0);
  const end = pointer + (count << 2);
  const stop = pointer + ((count & ~7) << 2);
  // What becomes of a block that is one value, and that value.
  let one = i32x4.splat(0);
  let power = f32x4.splat(0);
  let powerSum = f64x2.splat(0);
  let powerSquares = powerSum;
  let known = false;
  while (pointer < stop) {
    const pause = min(stop, pointer + (BLOCK << 4));
    if (isOne(pointer, pause)) {
      const x = v128.load32_splat(pointer);
      // The last block may be shorter, and have other sums.
      if (!known || pause - pointer < BLOCK << 4 || v128.any_true(v128.xor(x, one))) {
        const v = exp2(logs(f32x4.mul(f32x4.sub(x, from), inverses), g, ge));
        const d = f32x4.sub(v, c);
        let sumA = f32x4.splat(0);
        let squaresA = sumA;
        for (let at = pointer; at < pause; at += 32) {
          sumA = f32x4.add(sumA, f32x4.add(d, d));
          squaresA = f32x4.add(squaresA, f32x4.add(f32x4.mul(d, d), f32x4.mul(d, d)));
        }
        power = f32x4.add(f32x4.mul(v, ranges), from);
        powerSum = wide(sumA);
        powerSquares = wide(squaresA);
        one = x;
        known = true;
      }
      for (; pointer < pause; pointer += 16) v128.store(pointer, power);
      sum = f64x2.add(sum, powerSum);
      squares = f64x2.add(squares, powerSquares);
      continue;
    }
    for (let at = pointer; at < pause; at += 32) {
      const v = logs(f32x4.mul(f32x4.sub(v128.load(at), from), inverses), g, ge);
      const w = logs(f32x4.mul(f32x4.sub(v128.load(at, 16), from), inverses), g, ge);
      // Loads before stores: the constants of both are loaded once.
      v128.store(at, v);
      v128.store(at, w, 16);
    }
    let sumA = f32x4.splat(0);
    let squaresA = sumA;
    for (; pointer < pause; pointer += 32) {
      const v = exp2(v128.load(pointer));
      const w = exp2(v128.load(pointer, 16));
      v128.store(pointer, f32x4.add(f32x4.mul(v, ranges), from));
      v128.store(pointer, f32x4.add(f32x4.mul(w, ranges), from), 16);
      const dv = f32x4.sub(v, c);
      const dw = f32x4.sub(w, c);
      sumA = f32x4.add(sumA, f32x4.add(dv, dw));
      squaresA = f32x4.add(squaresA, f32x4.add(f32x4.mul(dv, dv), f32x4.mul(dw, dw)));
    }
    sum = f64x2.add(sum, wide(sumA));
    squares = f64x2.add(squares, wide(squaresA));
  }
  while (pointer < end) {
    const lanes = min<usize>((end - pointer) >> 2, 4);
    const x = lanes == 4 ? v128.load(pointer) : loadPart(pointer, lanes);
    const v = exp2(logs(f32x4.mul(f32x4.sub(x, from), inverses), g, ge));
    const y = f32x4.add(f32x4.mul(v, ranges), from);
    if (lanes == 4) v128.store(pointer, y);
    else storePart(pointer, y, lanes);
    const mask = i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(<i32>lanes));
    const d = v128.and(f32x4.sub(v, c), mask);
    sum = f64x2.add(sum, wide(d));
    squares = f64x2.add(squares, wide(f32x4.mul(d, d)));
    pointer += lanes << 2;
  }
  gammaCentre = <f64>f32x4.extract_lane(c, 0);
  gammaSum = f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
  gammaSquares = f64x2.extract_lane(squares, 0) + f64x2.extract_lane(squares, 1);
}

/** Whether all voxels have the same bits. Much of a medical image is one value: air that was clipped, what lies outside of a brain. */
// @ts-ignore: a decorator of the compiler
@inline
function isOne(at: usize, end: usize): bool {
  const first = v128.load32_splat(at);
  if (v128.any_true(v128.xor(v128.load(at), first))) return false;
  let others = i32x4.splat(0);
  for (; at < end; at += 32) others = v128.or(others, v128.or(v128.xor(v128.load(at), first), v128.xor(v128.load(at, 16), first)));
  return !v128.any_true(others);
}

/** Four float32 as sums of two in float64. */
// @ts-ignore: a decorator of the compiler
@inline
function wide(x: v128): v128 {
  return f64x2.add(f64x2.promote_low_f32x4(x), f64x2.promote_low_f32x4(v128.shuffle<i64>(x, x, 1, 0)));
}

// @ts-ignore: a decorator of the compiler
@inline
function constant(index: usize): v128 {
  return v128.load32_splat(TABLE + (index << 2));
}

/** g log2(u); NaN of what is below the normal numbers. */
// @ts-ignore: a decorator of the compiler
@inline
function logs(u: v128, g: v128, ge: v128): v128 {
  const one = constant(8);
  u = f32x4.pmin(u, one);
  // u = 2^e m with m from √½ to √2.
  const e = v128.and(i32x4.sub(u, constant(12)), constant(13));
  const m = i32x4.sub(u, e);
  const s = f32x4.div(f32x4.sub(m, one), f32x4.add(m, one));
  const z = f32x4.mul(s, s);
  const log = f32x4.add(f32x4.mul(f32x4.add(f32x4.mul(z, constant(2)), constant(1)), z), constant(0));
  const t = f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(e), ge), f32x4.mul(f32x4.mul(s, g), log));
  return v128.or(t, f32x4.lt(u, constant(11)));
}

/** 2^t, 0 of NaN. */
// @ts-ignore: a decorator of the compiler
@inline
function exp2(t: v128): v128 {
  const magic = constant(9);
  t = f32x4.pmax(constant(10), t);
  const bits = f32x4.add(t, magic);
  const r = f32x4.sub(t, f32x4.sub(bits, magic));
  // In an order whose longest chain is short.
  const square = f32x4.mul(r, r);
  let p = f32x4.add(f32x4.mul(r, constant(7)), constant(6));
  const middle = f32x4.add(f32x4.mul(r, constant(5)), constant(4));
  const first = f32x4.add(f32x4.mul(r, constant(3)), constant(8));
  p = f32x4.add(f32x4.mul(square, p), middle);
  p = f32x4.add(f32x4.mul(square, p), first);
  // -127 makes an exponent of 0, and the power 0.
  return f32x4.mul(p, i32x4.add(i32x4.shl(bits, 23), constant(8)));
}
