/** The distance from which on it is told in two bytes of its own. */
const FAR: usize = 8191;

/**
 * Decodes a BloscLZ stream (c-blosc2, blosc/blosclz.c) of `length` bytes to `size` bytes. Returns 1 if it is one, 0 if it is not;
 * whatever its bytes are, nothing outside of the two areas is read or written.
 */
export function blosclz(source: usize, length: usize, target: usize, size: usize): i32 {
  const end = source + length;
  const stop = target + size;
  let from = source;
  let to = target;
  // The first byte tells the version, too.
  let mask: usize = 31;
  while (from < end) {
    const control = <usize>load<u8>(from++) & mask;
    mask = 255;
    let count: usize;
    if (control < 32) {
      count = control + 1;
      if (count > end - from || count > stop - to) return 0;
      memory.copy(to, from, count);
      from += count;
    } else {
      count = (control >> 5) + 2;
      if (count == 9) {
        let more: usize;
        do {
          if (from >= end || count > size) return 0;
          more = load<u8>(from++);
          count += more;
        } while (more == 255);
      }
      if (from >= end) return 0;
      const high = (control & 31) << 8;
      const low = <usize>load<u8>(from++);
      let distance = high + low + 1;
      if (low == 255 && high == 31 << 8) {
        if (end - from < 2) return 0;
        distance = ((<usize>load<u8>(from) << 8) | load<u8>(from + 1)) + FAR + 1;
        from += 2;
      }
      if (count > stop - to || distance > to - target) return 0;
      for (let i: usize = 0; i < count; i++) store<u8>(to + i, load<u8>(to + i - distance));
    }
    to += count;
  }
  return i32(to == stop);
}
