/** Sets every byte of a box of `planes` × `rows` × `bytes` to `value`. 0 makes zeros of any type, 255 makes -1 of any integer. */
export function fillBox(target: usize, targetRow: usize, targetPlane: usize, planes: i32, rows: i32, bytes: usize, value: i32): void {
  const wide = bytes & ~15;
  const vector = i8x16.splat(<i8>value);
  for (let plane = 0; plane < planes; plane++) {
    let to = target;
    for (let row = 0; row < rows; row++) {
      let i: usize = 0;
      for (; i < wide; i += 16) v128.store(to + i, vector);
      for (; i < bytes; i++) store<u8>(to + i, <u8>value);
      to += targetRow;
    }
    target += targetPlane;
  }
}
