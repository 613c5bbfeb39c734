/** Stands for voxels that do not agree; no int16 label. */
export const MIXED: i32 = 0x10000;
/** Weights are float32: closer than this, two labels are tied, and so are two voxels that a coordinate is between. */
export const TIE: f32 = 1e-6;

/** Whether the eight labels from `at` on are the same. */
// @ts-ignore: a decorator of the compiler
@inline
export function agree(at: usize, row: usize, plane: usize): bool {
  const pair = load<u32>(at);
  const rest = (load<u32>(at + row) ^ pair) | (load<u32>(at + plane) ^ pair) | (load<u32>(at + plane + row) ^ pair);
  return (rest | ((pair >> 16) ^ (pair & 0xffff))) == 0;
}

/** The label with the largest weight among eight int16 at `cube`, [z, y, x], or MIXED in a tie. */
export function vote(cube: usize, farZ: f32, farY: f32, farX: f32): i32 {
  let winner: i32 = MIXED;
  let most: f32 = 0;
  let second: f32 = 0;
  // A bit for each of the eight whose label has not been weighed: 1 for x, 2 for y, 4 for z.
  for (let pending = 0xff; pending != 0; ) {
    const first = ctz(pending);
    const label: i32 = load<i16>(corner(cube, first));
    let sum: f32 = 0;
    for (let i = first; i < 8; i++) {
      if (load<i16>(corner(cube, i)) != label) continue;
      pending &= ~(1 << i);
      sum += weight(i, farZ, farY, farX);
    }
    // No other label can have as much.
    if (sum > 0.5 + TIE) return label;
    if (sum > most) {
      second = most;
      most = sum;
      winner = label;
    } else second = max(second, sum);
  }
  return second < most - TIE ? winner : MIXED;
}

/** The label of a tie among the eight at `cube`: `near`, the nearest voxel's, if it is one of the tied, else the lowest of them. */
export function settle(near: i32, cube: usize, farZ: f32, farY: f32, farX: f32): i32 {
  let enough: f32 = 0;
  for (let i = 0; i < 8; i++) enough = max(enough, share(load<i16>(corner(cube, i)), cube, farZ, farY, farX) - TIE);
  if (share(near, cube, farZ, farY, farX) >= enough) return near;
  let lowest: i32 = MIXED;
  for (let i = 0; i < 8; i++) {
    const label: i32 = load<i16>(corner(cube, i));
    if (label < lowest && share(label, cube, farZ, farY, farX) >= enough) lowest = label;
  }
  return lowest;
}

/** The weight of one label among the eight at `cube`. */
function share(label: i32, cube: usize, farZ: f32, farY: f32, farX: f32): f32 {
  let sum: f32 = 0;
  for (let i = 0; i < 8; i++) if (load<i16>(corner(cube, i)) == label) sum += weight(i, farZ, farY, farX);
  return sum;
}

// @ts-ignore: a decorator of the compiler
@inline
function weight(i: i32, farZ: f32, farY: f32, farX: f32): f32 {
  return (i & 4 ? farZ : 1 - farZ) * (i & 2 ? farY : 1 - farY) * (i & 1 ? farX : 1 - farX);
}

// @ts-ignore: a decorator of the compiler
@inline
function corner(cube: usize, i: i32): usize {
  return cube + (<usize>i << 1);
}

/** The whole number nearest to a coordinate; of two the even one. */
export function wholeNear(at: f64): i32 {
  const up = <i32>Math.floor(at + 0.5 + TIE);
  return <i32>Math.floor(at + 0.5 - TIE) == up || !(up & 1) ? up : up - 1;
}
