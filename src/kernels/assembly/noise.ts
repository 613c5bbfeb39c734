import { loadPart, storePart } from './part';

/** Loaded where they are used, see `gamma`. */
const TABLE = memory.data<f32>([
  0.7071067811865476,
  1,
  // ln(m) = s (2 + A0 s² + A1 s⁴) with s = (m - 1) / (m + 1), for m from √½ to √2; relative error 3e-7. Here times -2.
  -4.0000004771,
  -1.3330438292,
  -0.8259493654,
  -1.3862943611198906, // -2 ln 2
  -31, // What of the logarithm of an integer below 2^31 is not that of a number below 1.
  7.314590396e-10, // π/2 / 2^31
  // sin(a) / a and cos(a) in a², for a from -π/2 to π/2; errors 8e-7 and 5e-8.
  0.999999245607,
  -0.166656827295,
  0.00831325871426,
  -0.000185243573455,
  0.999999953467,
  -0.499999053474,
  0.0416635846933,
  -0.00138537042889,
  2.31539310252e-5,
]);


/**
 * Adds to each of `count` float32 a normal random number of mean 0 and deviation `sigma`. The same four seed words and stream give
 * the same numbers, voxel by voxel, however many there are.
 *
 * Box and Muller's transform: two normal numbers are the radius sqrt(-2 ln u) times cosine and sine of an angle. u has 31 bits,
 * which reach to 6.5 sigma; the bit left over says in which half of the circle the angle of 32 bits is.
 */
export function noise(pointer: usize, count: usize, sigma: f32, seed0: u32, seed1: u32, seed2: u32, seed3: u32, stream: u32): void {
  let a = words(0, seed0, seed1, seed2, seed3, stream);
  let b = words(4, seed0, seed1, seed2, seed3, stream);
  let c = words(8, seed0, seed1, seed2, seed3, stream);
  let d = words(12, seed0, seed1, seed2, seed3, stream);
  const sigmas = f32x4.splat(sigma);
  const end = pointer + (count << 2);
  while (pointer < end) {
    // Twice xoshiro128++, written out so that the state stays in registers.
    const first = i32x4.add(rotate(i32x4.add(a, d), 7), a);
    let t = i32x4.shl(b, 9);
    c = v128.xor(c, a);
    d = v128.xor(d, b);
    b = v128.xor(b, c);
    a = v128.xor(a, d);
    c = v128.xor(c, t);
    d = rotate(d, 11);
    const second = i32x4.add(rotate(i32x4.add(a, d), 7), a);
    t = i32x4.shl(b, 9);
    c = v128.xor(c, a);
    d = v128.xor(d, b);
    b = v128.xor(b, c);
    a = v128.xor(a, d);
    c = v128.xor(c, t);
    d = rotate(d, 11);

    const radius = f32x4.mul(sigmas, f32x4.sqrt(minusTwoLog(first)));
    const angle = f32x4.mul(f32x4.convert_i32x4_s(second), constant(7));
    const z = f32x4.mul(angle, angle);
    let sine = f32x4.add(f32x4.mul(z, constant(11)), constant(10));
    sine = f32x4.add(f32x4.mul(z, sine), constant(9));
    sine = f32x4.add(f32x4.mul(z, sine), constant(8));
    let cosine = f32x4.add(f32x4.mul(z, constant(16)), constant(15));
    cosine = f32x4.add(f32x4.mul(z, cosine), constant(14));
    cosine = f32x4.add(f32x4.mul(z, cosine), constant(13));
    cosine = f32x4.add(f32x4.mul(z, cosine), constant(12));
    // The sign of the first word, which is not in u, goes to the cosine.
    const signed = v128.xor(radius, v128.and(first, i32x4.splat(0x80000000)));
    const x = f32x4.mul(signed, cosine);
    const y = f32x4.mul(radius, f32x4.mul(angle, sine));

    const rest = end - pointer;
    if (rest >= 32) {
      v128.store(pointer, f32x4.add(v128.load(pointer), x));
      v128.store(pointer, f32x4.add(v128.load(pointer, 16), y), 16);
    } else {
      if (rest >= 16) v128.store(pointer, f32x4.add(v128.load(pointer), x));
      const at = rest >= 16 ? pointer + 16 : pointer;
      const lanes = (rest & 15) >> 2;
      if (lanes > 0) storePart(at, f32x4.add(loadPart(at, lanes), rest >= 16 ? y : x), lanes);
    }
    pointer += 32;
  }
}

// @ts-ignore: a decorator of the compiler
@inline
function constant(index: usize): v128 {
  return v128.load32_splat(TABLE + (index << 2));
}

// @ts-ignore: a decorator of the compiler
@inline
function rotate(x: v128, bits: i32): v128 {
  return v128.or(i32x4.shl(x, bits), i32x4.shr_u(x, 32 - bits));
}

/** -2 ln(u) of the magnitude u of a signed word, in (0, 1]. */
// @ts-ignore: a decorator of the compiler
@inline
function minusTwoLog(word: v128): v128 {
  // The last bit keeps it from 0.
  const u = f32x4.abs(f32x4.convert_i32x4_s(v128.or(word, i32x4.splat(1))));
  const e = i32x4.shr_s(i32x4.sub(u, constant(0)), 23);
  const m = i32x4.sub(u, i32x4.shl(e, 23));
  const s = f32x4.div(f32x4.sub(m, constant(1)), f32x4.add(m, constant(1)));
  const z = f32x4.mul(s, s);
  const log = f32x4.mul(s, f32x4.add(f32x4.mul(f32x4.add(f32x4.mul(z, constant(4)), constant(3)), z), constant(2)));
  return f32x4.add(f32x4.mul(f32x4.add(f32x4.convert_i32x4_s(e), constant(6)), constant(5)), log);
}

/** Four words of state, one for each generator, each a hash of all the seed. */
function words(index: u32, seed0: u32, seed1: u32, seed2: u32, seed3: u32, stream: u32): v128 {
  let vector = i32x4.splat(0);
  for (let lane: u32 = 0; lane < 4; lane++) {
    let hash = mix(mix(index + lane + 1) ^ stream);
    hash = mix(hash ^ seed0);
    hash = mix(hash ^ seed1);
    hash = mix(hash ^ seed2);
    hash = mix(hash ^ seed3);
    vector = v128.shuffle<i32>(vector, i32x4.splat(hash), 1, 2, 3, 4);
  }
  return vector;
}

/** A bijection of 32 bits: SplitMix's step and the finalizer of MurmurHash3. */
// @ts-ignore: a decorator of the compiler
@inline
function mix(x: u32): u32 {
  x += 0x9e3779b9;
  x = (x ^ (x >> 16)) * 0x85ebca6b;
  x = (x ^ (x >> 13)) * 0xc2b2ae35;
  return x ^ (x >> 16);
}
