/** Where each of 16 bytes comes from if the first `distance` of them repeat: 16 rows of 16, by distance. */
const REPEATED = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1,
  0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0,
  0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3,
  0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0,
  0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3,
  0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6, 0, 1,
  0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2, 3, 4, 5, 6,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 1, 2, 3, 4,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 1, 2,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0, 1,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0,
]);

/**
 * Decodes an LZ4 block (lz4_Block_format.md) of `length` bytes to `size` bytes. Returns 1 if it is one, 0 if it is not; whatever
 * its bytes are, nothing outside of the two areas is read or written.
 */
export function lz4(source: usize, length: usize, target: usize, size: usize): i32 {
  const end = source + length;
  const stop = target + size;
  let from = source;
  let to = target;
  while (from < end) {
    const token = <usize>load<u8>(from++);
    let count = token >> 4;
    if (count == 15) {
      let more: usize;
      do {
        if (from >= end || count > size) return 0;
        more = load<u8>(from++);
        count += more;
      } while (more == 255);
    }
    if (count > end - from || count > stop - to) return 0;
    // Sixteen bytes at a time run up to fifteen too far, where there is room.
    if (end - from >= count + 15 && stop - to >= count + 15)
      for (let i: usize = 0; i < count; i += 16) v128.store(to + i, v128.load(from + i));
    else memory.copy(to, from, count);
    from += count;
    to += count;
    // The last sequence has literals alone.
    if (from == end) return i32(to == stop);

    if (end - from < 2) return 0;
    const distance = <usize>load<u16>(from);
    from += 2;
    if (distance == 0 || distance > to - target) return 0;
    count = (token & 15) + 4;
    if (count == 19) {
      let more: usize;
      do {
        if (from >= end || count > size) return 0;
        more = load<u8>(from++);
        count += more;
      } while (more == 255);
    }
    if (count > stop - to) return 0;
    if (stop - to >= count + 15) repeat(to, distance, count);
    else for (let i: usize = 0; i < count; i++) store<u8>(to + i, load<u8>(to + i - distance));
    to += count;
  }
  return 0;
}

/** Goes on at `to` with what lies `distance` bytes before it, `count` bytes and up to fifteen more. */
// @ts-ignore: a decorator of the compiler
@inline
function repeat(to: usize, distance: usize, count: usize): void {
  if (distance >= 16) {
    for (let i: usize = 0; i < count; i += 16) v128.store(to + i, v128.load(to + i - distance));
    return;
  }
  const pattern = i8x16.swizzle(v128.load(to - distance), v128.load(REPEATED + (distance << 4)));
  const step = distance * (16 / distance);
  for (let i: usize = 0; i < count; i += step) v128.store(to + i, pattern);
}
