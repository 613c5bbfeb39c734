type Point = readonly number[];

/** Corner i of a box is at its far end along axis a where bit a of i is set: edges join corners that differ in one bit. */
const EDGES = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((from) => [1, 2, 4].flatMap((bit) => (from & bit ? [] : [[from, from | bit] as const])));

/** The eight corners of an upright box. Voxel i spans i - 1/2 to i + 1/2. */
export function cornersOfBox(lower: Point, upper: Point): Point[] {
  return Array.from({ length: 8 }, (_, corner) => [0, 1, 2].map((axis) => (corner & (1 << axis) ? upper[axis] : lower[axis]) - 0.5));
}

/**
 * Where the plane of a slice cuts a box that may be turned: a convex polygon as points [across, down] in voxels of the slice, none where
 * they do not meet.
 * @param position of the slice along its axis
 */
export function cutBox(corners: readonly Point[], axis: number, position: number): [number, number][] {
  const [down, across] = [0, 1, 2].filter((other) => other !== axis);
  const points: [number, number][] = [];
  for (const [from, to] of EDGES) {
    const [a, b] = [corners[from], corners[to]];
    const [before, after] = [a[axis] - position, b[axis] - position];
    if (before > 0 === after > 0) continue;
    const part = before / (before - after);
    points.push([a[across] + part * (b[across] - a[across]), a[down] + part * (b[down] - a[down])]);
  }
  const middle = [0, 1].map((i) => points.reduce((sum, point) => sum + point[i], 0) / points.length);
  const angle = ([x, y]: [number, number]): number => Math.atan2(y - middle[1], x - middle[0]);
  return points.sort((p, q) => angle(p) - angle(q));
}
