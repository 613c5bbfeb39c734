import { fetchRows } from './fetch-rows';

/**
 * Copies a box of `planes` × `rows` × `bytes` between two strided areas that do not overlap. Rows of a patch are short
 * (hundreds of bytes), so a 16-byte loop beats a call to memory.copy per row.
 */
export function copyBox(
  source: usize,
  sourceRow: usize,
  sourcePlane: usize,
  target: usize,
  targetRow: usize,
  targetPlane: usize,
  planes: i32,
  rows: i32,
  bytes: usize,
): void {
  const wide = bytes & ~15;
  for (let plane = 0; plane < planes; plane++) {
    let from = source;
    let to = target;
    let fetched = 0;
    for (let row = 0; row < rows; row++) {
      if (row == fetched) fetched += fetchRows(from, sourceRow, rows - row, bytes, false);
      let i: usize = 0;
      for (; i < wide; i += 16) v128.store(to + i, v128.load(from + i));
      for (; i < bytes; i++) store<u8>(to + i, load<u8>(from + i));
      from += sourceRow;
      to += targetRow;
    }
    source += sourcePlane;
    target += targetPlane;
  }
}
