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
  // The next coarser targets of deep supervision have every second and every fourth label: eight and four at a time, as far as they are.
  const doubled = regular(indexX, width, 2) & ~7;
  const fourfold = regular(indexX, width, 4) & ~3;
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
      for (; x < fourfold; x += 4) {
        const near = v128.load(row + (x << 3));
        // Up to the last one that is picked: there may be none after it.
        const far = v128.load(row + (x << 3), 14);
        v128.store64_lane(target + (x << 1), v128.shuffle<i16>(near, far, 2, 6, 11, 15, 2, 6, 11, 15), 0);
      }
      for (; x < width; x++)
        store<i16>(target + (x << 1), load<i16>(row + (<usize>load<i32>(indexX + (x << 2)) << 1)));
    }
  }
}

/** How many indices from the first on are those in the middle of `step` labels each. */
function regular(index: usize, width: usize, step: usize): usize {
  let x: usize = 0;
  while (x < width && <usize>load<i32>(index + (x << 2)) == step * x + step / 2) x++;
  return x;
}
