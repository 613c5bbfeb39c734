import { fetchRows } from './fetch-rows';

/**
 * Copies a box of `planes` × `rows` × `count` float32 between two strided areas that do not overlap, each row from its other end.
 * Strides are in bytes, negative ones count backwards.
 */
export function mirrorBox(
  source: usize,
  sourceRow: usize,
  sourcePlane: usize,
  target: usize,
  targetRow: usize,
  targetPlane: usize,
  planes: i32,
  rows: i32,
  count: usize,
): void {
  const bytes = count << 2;
  const wide = bytes & ~15;
  for (let plane = 0; plane < planes; plane++) {
    let from = source;
    let to = target;
    let fetched = 0;
    for (let row = 0; row < rows; row++) {
      if (row == fetched) fetched += fetchRows(from, sourceRow, rows - row, bytes, true);
      let i: usize = 0;
      for (; i < wide; i += 16) {
        const values = v128.load(from + bytes - 16 - i);
        v128.store(to + i, v128.shuffle<i32>(values, values, 3, 2, 1, 0));
      }
      for (; i < bytes; i += 4) store<i32>(to + i, load<i32>(from + bytes - 4 - i));
      from += sourceRow;
      to += targetRow;
    }
    source += sourcePlane;
    target += targetPlane;
  }
}
