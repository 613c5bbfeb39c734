/**
 * Picks int16 labels out of dense `source` planes of `sourceRow` and `sourcePlane` bytes into dense `target` [depth][height][width]:
 * label [z, y, x] is that of source voxel [indexZ[z], indexY[y], indexX[x]] (int32 tables).
 */
export function pickLabels(
  source: usize,
  sourceRow: usize,
  sourcePlane: usize,
  target: usize,
  depth: i32,
  height: i32,
  width: usize,
  indexZ: usize,
  indexY: usize,
  indexX: usize,
): void {
  // The next coarser target of deep supervision has every second label: eight at a time, as far as they are.
  let doubled: usize = 0;
  while (doubled < width && <usize>load<i32>(indexX + (doubled << 2)) == 2 * doubled + 1) doubled++;
  doubled &= ~7;
  for (let z = 0; z < depth; z++) {
    const plane = source + <usize>load<i32>(indexZ + (<usize>z << 2)) * sourcePlane;
    for (let y = 0; y < height; y++, target += width << 1) {
      const row = plane + <usize>load<i32>(indexY + (<usize>y << 2)) * sourceRow;
      let x: usize = 0;
      for (; x < doubled; x += 8) {
        const near = v128.load(row + (x << 2));
        const far = v128.load(row + (x << 2), 16);
        v128.store(target + (x << 1), v128.shuffle<i16>(near, far, 1, 3, 5, 7, 9, 11, 13, 15));
      }
      for (; x < width; x++)
        store<i16>(target + (x << 1), load<i16>(row + (<usize>load<i32>(indexX + (x << 2)) << 1)));
    }
  }
}
