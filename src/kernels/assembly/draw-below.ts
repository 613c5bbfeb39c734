/** Words of the state of MT19937, and how far behind one another those are that make a new one. */
const SIZE: usize = 624;
const LAG: usize = 397;

/**
 * The next 624 numbers of MT19937, of `state` (uint32 [624], which goes on by as many), by NumPy's rule for a range: the low bits that
 * `max` has, and none above `max`. Those that remain, int32, are at `target`, which has room for 625. Returns how many.
 */
export function drawBelow(state: usize, max: u32, target: usize): i32 {
  const end = state + (SIZE << 2);
  let at = state;
  for (const stop = state + ((SIZE - LAG) << 2) - 12; at < stop; at += 16)
    v128.store(at, v128.xor(v128.load(at + (LAG << 2)), twists(v128.load(at), v128.load(at, 4))));
  for (const stop = state + ((SIZE - LAG) << 2); at < stop; at += 4)
    store<u32>(at, load<u32>(at + (LAG << 2)) ^ twist(load<u32>(at), load<u32>(at, 4)));
  // From here on, new words make new ones.
  for (const stop = end - 4; at < stop; at += 16)
    v128.store(at, v128.xor(v128.load(at - ((SIZE - LAG) << 2)), twists(v128.load(at), v128.load(at, 4))));
  store<u32>(at, load<u32>(at - ((SIZE - LAG) << 2)) ^ twist(load<u32>(at), load<u32>(state)));

  const mask = i32x4.splat(<i32>((<u32>0xffffffff) >> clz(max)));
  let to = target;
  for (at = state; at < end; at += 16) {
    let y = v128.load(at);
    y = v128.xor(y, i32x4.shr_u(y, 11));
    y = v128.xor(y, v128.and(i32x4.shl(y, 7), i32x4.splat(0x9d2c5680)));
    y = v128.xor(y, v128.and(i32x4.shl(y, 15), i32x4.splat(0xefc60000)));
    y = v128.and(v128.xor(y, i32x4.shr_u(y, 18)), mask);
    // Without a branch, which would be guessed wrong as often as a number is too large.
    to = keep(to, i32x4.extract_lane(y, 0), max);
    to = keep(to, i32x4.extract_lane(y, 1), max);
    to = keep(to, i32x4.extract_lane(y, 2), max);
    to = keep(to, i32x4.extract_lane(y, 3), max);
  }
  return <i32>((to - target) >> 2);
}

// @ts-ignore: a decorator of the compiler
@inline
function keep(to: usize, value: u32, max: u32): usize {
  store<u32>(to, value);
  return to + (<usize>u32(value <= max) << 2);
}

// @ts-ignore: a decorator of the compiler
@inline
function twists(high: v128, low: v128): v128 {
  const joined = v128.or(v128.and(high, i32x4.splat(0x80000000)), v128.and(low, i32x4.splat(0x7fffffff)));
  const odd = i32x4.neg(v128.and(joined, i32x4.splat(1)));
  return v128.xor(i32x4.shr_u(joined, 1), v128.and(odd, i32x4.splat(0x9908b0df)));
}

// @ts-ignore: a decorator of the compiler
@inline
function twist(high: u32, low: u32): u32 {
  const joined = (high & 0x80000000) | (low & 0x7fffffff);
  return (joined >> 1) ^ (joined & 1 ? 0x9908b0df : 0);
}
