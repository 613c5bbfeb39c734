/**
 * Copies `rows` rows of `bytes` bytes each between two strided areas that do not overlap.
 * Rows of a patch are short (hundreds of bytes), so a 16-byte loop beats a call to memory.copy per row.
 */
export function copyRows(
  source: usize, sourceStride: usize,
  target: usize, targetStride: usize,
  rows: i32, bytes: usize,
): void {
  const wide = bytes & ~15;
  for (let row = 0; row < rows; row++) {
    let i: usize = 0;
    for (; i < wide; i += 16) v128.store(target + i, v128.load(source + i));
    for (; i < bytes; i++) store<u8>(target + i, load<u8>(source + i));
    source += sourceStride;
    target += targetStride;
  }
}
