/**
 * Brings the first bytes of all elements together, then the second ones, and so on: elements of one, two or four bytes, `count` of them. What
 * Blosc calls shuffle.
 */
export function shuffle(source: usize, target: usize, count: usize, bytes: usize): void {
  let i: usize = 0;
  if (bytes == 4) {
    for (; i + 16 <= count; i += 16) {
      const from = source + (i << 2);
      const a = quarters(v128.load(from));
      const b = quarters(v128.load(from, 16));
      const c = quarters(v128.load(from, 32));
      const d = quarters(v128.load(from, 48));
      const ab = v128.shuffle<u32>(a, b, 0, 4, 1, 5);
      const cd = v128.shuffle<u32>(c, d, 0, 4, 1, 5);
      const abHigh = v128.shuffle<u32>(a, b, 2, 6, 3, 7);
      const cdHigh = v128.shuffle<u32>(c, d, 2, 6, 3, 7);
      v128.store(target + i, v128.shuffle<u64>(ab, cd, 0, 2));
      v128.store(target + count + i, v128.shuffle<u64>(ab, cd, 1, 3));
      v128.store(target + 2 * count + i, v128.shuffle<u64>(abHigh, cdHigh, 0, 2));
      v128.store(target + 3 * count + i, v128.shuffle<u64>(abHigh, cdHigh, 1, 3));
    }
  } else if (bytes == 2) {
    for (; i + 16 <= count; i += 16) {
      const from = source + (i << 1);
      const a = v128.load(from);
      const b = v128.load(from, 16);
      v128.store(target + i, v128.shuffle<u8>(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30));
      v128.store(target + count + i, v128.shuffle<u8>(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31));
    }
  }
  for (; i < count; i++) for (let byte: usize = 0; byte < bytes; byte++) store<u8>(target + byte * count + i, load<u8>(source + i * bytes + byte));
}

/** Of four elements: their first bytes, their second, third and fourth ones. */
// @ts-ignore: a decorator of the compiler
@inline
function quarters(elements: v128): v128 {
  return v128.shuffle<u8>(elements, elements, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
}
