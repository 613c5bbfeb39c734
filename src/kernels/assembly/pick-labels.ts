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
  for (let z = 0; z < depth; z++) {
    const plane = source + <usize>load<i32>(indexZ + (<usize>z << 2)) * sourcePlane;
    for (let y = 0; y < height; y++, target += width << 1) {
      const row = plane + <usize>load<i32>(indexY + (<usize>y << 2)) * sourceRow;
      for (let x: usize = 0; x < width; x++)
        store<i16>(target + (x << 1), load<i16>(row + (<usize>load<i32>(indexX + (x << 2)) << 1)));
    }
  }
}
