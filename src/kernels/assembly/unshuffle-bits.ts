/**
 * Undoes Blosc's bit shuffle of `length` bytes: [bytes][8 bits][n / 8] to n elements of so many bytes, n a multiple of 8; what is left
 * over at the end is as it was. The areas must not overlap.
 */
export function unshuffleBits(source: usize, target: usize, length: usize, bytes: usize): void {
  const rows = length / bytes / 8;
  for (let byte: usize = 0; byte < bytes; byte++) {
    const planes = source + ((byte * rows) << 3);
    for (let row: usize = 0; row < rows; row++) {
      let square: u64 = 0;
      for (let bit: usize = 0; bit < 8; bit++) square |= <u64>load<u8>(planes + bit * rows + row) << (8 * bit);
      square = transposed(square);
      for (let i: usize = 0; i < 8; i++) store<u8>(target + (8 * row + i) * bytes + byte, <u8>(square >> (8 * i)));
    }
  }
  const shuffled = (rows * bytes) << 3;
  memory.copy(target + shuffled, source + shuffled, length - shuffled);
}

/** Eight bytes as an 8 x 8 matrix of bits, transposed (Warren, Hacker's Delight, 7-3). */
// @ts-ignore: a decorator of the compiler
@inline
function transposed(square: u64): u64 {
  let change = (square ^ (square >> 7)) & 0x00aa00aa00aa00aa;
  square ^= change ^ (change << 7);
  change = (square ^ (square >> 14)) & 0x0000cccc0000cccc;
  square ^= change ^ (change << 14);
  change = (square ^ (square >> 28)) & 0x00000000f0f0f0f0;
  return square ^ change ^ (change << 28);
}
