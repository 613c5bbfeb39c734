const DIGITS = 2048;

/**
 * Ranks of an image's values: equal values have equal ranks, from 0 for the lowest; NaN ranks highest, -0 below 0.
 *
 * `ranks` and `values` have the image's length. Afterwards `ranks[i]` is the rank of voxel i, and the first float32 in the bytes of
 * `values` are the value of each rank. Returns how many ranks there are.
 */
export function sortRanks(image: Float32Array, ranks: Uint32Array, values: Uint32Array): number {
  const count = image.length;
  const bits = new Uint32Array(image.buffer, image.byteOffset, count);
  for (let i = 0; i < count; i++) ranks[i] = i;
  // Three rounds of 11 bits, lowest first; each keeps the order of the one before.
  for (const [shift, from, to] of [
    [0, ranks, values],
    [11, values, ranks],
    [22, ranks, values],
  ] as const) {
    const starts = new Uint32Array(DIGITS + 1);
    for (let i = 0; i < count; i++) starts[((key(bits[i]) >>> shift) & (DIGITS - 1)) + 1]++;
    for (let digit = 1; digit < DIGITS; digit++) starts[digit] += starts[digit - 1];
    for (let i = 0; i < count; i++) {
      const voxel = from[i];
      to[starts[(key(bits[voxel]) >>> shift) & (DIGITS - 1)]++] = voxel;
    }
  }
  // Each value is written no later than the voxel in its place has been read.
  let distinct = 0;
  let last = -1;
  for (let i = 0; i < count; i++) {
    const voxel = values[i];
    const current = key(bits[voxel]);
    if (current !== last) values[distinct++] = bits[voxel];
    last = current;
    ranks[voxel] = distinct - 1;
  }
  return distinct;
}

/** An unsigned integer that orders as the float32 of these bits does. */
function key(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return 0xffffffff;
  return (bits & 0x80000000 ? ~bits : bits | 0x80000000) >>> 0;
}
