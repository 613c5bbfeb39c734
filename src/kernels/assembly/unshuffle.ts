/**
 * Undoes Blosc's byte shuffle of `length` bytes: [bytes][n] to [n][bytes], n elements of so many bytes; what is left over at the end is
 * as it was. The areas must not overlap.
 */
export function unshuffle(source: usize, target: usize, length: usize, bytes: usize): void {
  const count = length / bytes;
  let done: usize = 0;
  if (bytes == 2) done = pairs(source, target, count);
  else if (bytes == 4) done = fours(source, target, count);
  else if (bytes == 8) done = eights(source, target, count);
  for (let i = done; i < count; i++)
    for (let byte: usize = 0; byte < bytes; byte++) store<u8>(target + i * bytes + byte, load<u8>(source + byte * count + i));
  const shuffled = count * bytes;
  memory.copy(target + shuffled, source + shuffled, length - shuffled);
}

/** These take sixteen elements at a time, and return how many they did. */
function pairs(source: usize, target: usize, count: usize): usize {
  const wide = count & ~15;
  for (let i: usize = 0; i < wide; i += 16, target += 32) {
    const a = v128.load(source + i);
    const b = v128.load(source + count + i);
    v128.store(target, low8(a, b));
    v128.store(target, high8(a, b), 16);
  }
  return wide;
}

function fours(source: usize, target: usize, count: usize): usize {
  const wide = count & ~15;
  for (let i: usize = 0; i < wide; i += 16, target += 64) {
    const from = source + i;
    const a = v128.load(from);
    const b = v128.load(from + count);
    const c = v128.load(from + 2 * count);
    const d = v128.load(from + 3 * count);
    store4(target, low8(a, b), high8(a, b), low8(c, d), high8(c, d));
  }
  return wide;
}

/** The two pairs of bytes of sixteen elements, each in two halves. */
// @ts-ignore: a decorator of the compiler
@inline
function store4(target: usize, lowAB: v128, highAB: v128, lowCD: v128, highCD: v128): void {
  v128.store(target, low16(lowAB, lowCD));
  v128.store(target, high16(lowAB, lowCD), 16);
  v128.store(target, low16(highAB, highCD), 32);
  v128.store(target, high16(highAB, highCD), 48);
}

function eights(source: usize, target: usize, count: usize): usize {
  const wide = count & ~15;
  for (let i: usize = 0; i < wide; i += 16, target += 128) {
    const from = source + i;
    const a = v128.load(from);
    const b = v128.load(from + count);
    const c = v128.load(from + 2 * count);
    const d = v128.load(from + 3 * count);
    const e = v128.load(from + 4 * count);
    const f = v128.load(from + 5 * count);
    const g = v128.load(from + 6 * count);
    const h = v128.load(from + 7 * count);
    store8(target, low8(a, b), low8(c, d), low8(e, f), low8(g, h));
    store8(target + 64, high8(a, b), high8(c, d), high8(e, f), high8(g, h));
  }
  return wide;
}

/** The four pairs of bytes of eight elements. */
// @ts-ignore: a decorator of the compiler
@inline
function store8(target: usize, ab: v128, cd: v128, ef: v128, gh: v128): void {
  const abcd = low16(ab, cd);
  const efgh = low16(ef, gh);
  v128.store(target, v128.shuffle<i32>(abcd, efgh, 0, 4, 1, 5));
  v128.store(target, v128.shuffle<i32>(abcd, efgh, 2, 6, 3, 7), 16);
  const abcdNext = high16(ab, cd);
  const efghNext = high16(ef, gh);
  v128.store(target, v128.shuffle<i32>(abcdNext, efghNext, 0, 4, 1, 5), 32);
  v128.store(target, v128.shuffle<i32>(abcdNext, efghNext, 2, 6, 3, 7), 48);
}

// @ts-ignore: a decorator of the compiler
@inline
function low8(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

// @ts-ignore: a decorator of the compiler
@inline
function high8(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

// @ts-ignore: a decorator of the compiler
@inline
function low16(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

// @ts-ignore: a decorator of the compiler
@inline
function high16(a: v128, b: v128): v128 {
  return v128.shuffle<u16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}
