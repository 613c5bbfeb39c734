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
    if (count < 15 && (token & 15) < 15 && end - from >= 18 && stop - to >= 34) {
      // Most are short: they are copied without a look at how long they are.
      const distance = <usize>load<u16>(from + count);
      const next = to + count;
      if (distance >= 16 && distance <= next - target) {
        v128.store(to, v128.load(from));
        const back = next - distance;
        v128.store(next, v128.load(back));
        store<u16>(next + 16, load<u16>(back + 16));
        from += count + 2;
        to = next + (token & 15) + 4;
        continue;
      }
    }
    if (count == 15) {
      let more: usize;
      do {
        if (from >= end || count > size) return 0;
        more = load<u8>(from++);
        count += more;
      } while (more == 255);
    }
    if (count > end - from || count > stop - to) return 0;
    let i: usize = 0;
    for (const wide = within(count, min(end - from, stop - to)); i < wide; i += 16) v128.store(to + i, v128.load(from + i));
    for (; i < count; i++) store<u8>(to + i, load<u8>(from + i));
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
    const wide = within(count, stop - to);
    i = 0;
    if (distance >= 16) for (; i < wide; i += 16) v128.store(to + i, v128.load(to + i - distance));
    else if (wide > 0) {
      const pattern = i8x16.swizzle(v128.load(to - distance), v128.load(REPEATED + (distance << 4)));
      for (const step = distance * (16 / distance); i < wide; i += step) v128.store(to + i, pattern);
    }
    for (; i < count; i++) store<u8>(to + i, load<u8>(to + i - distance));
    to += count;
  }
  return 0;
}

/** So many of `count` bytes go sixteen at a time, up to fifteen too many, where there is `room`. */
// @ts-ignore: a decorator of the compiler
@inline
function within(count: usize, room: usize): usize {
  return room >= count + 15 ? count : room > 15 ? room - 15 : 0;
}
