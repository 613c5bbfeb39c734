/**
 * What the warps share: a warp goes over its output tile by tile. Where the source has the whole box of voxels that a tile touches, an
 * image is interpolated where it lies; else out of a dense copy of the box, padded where the source ends, without a single test; labels
 * always. Coordinates are float64 up to the corner of each row of a tile and float32 from there on, relative to the box: they are small
 * numbers then, and exact to about 1e-6 voxels.
 */

/**
 * The description of a warp, float64 words from `task` on: the matrix (9, row by row) and the offset (3) that take an output voxel
 * [z, y, x] to source coordinates; the size of the output (3) and of its tiles (3, along x a multiple of 4); the first source voxel
 * there is on each axis (3) and the one after the last (3).
 */
export const OFFSET: usize = 9 * 8;
export const SIZE: usize = 12 * 8;
export const TILE: usize = 15 * 8;
export const FIRST: usize = 18 * 8;
export const END: usize = 21 * 8;

/** Coordinates are rounded differently by corner and by row: a box reaches this much further than its tile. */
const SLACK: f64 = 1e-3;

/** The source coordinate of an output voxel along an axis. */
// @ts-ignore: a decorator of the compiler
@inline
export function coordinate(task: usize, axis: i32, z: i32, y: i32, x: i32): f64 {
  const row = task + <usize>(axis * 24);
  return load<f64>(task + <usize>(axis * 8), OFFSET) + load<f64>(row) * <f64>z + load<f64>(row, 8) * <f64>y + load<f64>(row, 16) * <f64>x;
}

// @ts-ignore: a decorator of the compiler
@inline
function reach(factor: f64, length: i32, up: bool): f64 {
  return factor > 0 == up ? factor * <f64>(length - 1) : 0;
}

/** The lowest and highest source coordinate along an axis that a tile touches. */
// @ts-ignore: a decorator of the compiler
@inline
export function lowest(task: usize, axis: i32, z: i32, y: i32, x: i32, depth: i32, height: i32, width: i32): f64 {
  const row = task + <usize>(axis * 24);
  return (
    coordinate(task, axis, z, y, x) +
    reach(load<f64>(row), depth, false) +
    reach(load<f64>(row, 8), height, false) +
    reach(load<f64>(row, 16), width, false) -
    SLACK
  );
}

// @ts-ignore: a decorator of the compiler
@inline
export function highest(task: usize, axis: i32, z: i32, y: i32, x: i32, depth: i32, height: i32, width: i32): f64 {
  const row = task + <usize>(axis * 24);
  return (
    coordinate(task, axis, z, y, x) +
    reach(load<f64>(row), depth, true) +
    reach(load<f64>(row, 8), height, true) +
    reach(load<f64>(row, 16), width, true) +
    SLACK
  );
}

/** Whether planes of the output are planes of the source, in the same or the opposite order: nothing lies between two of them. */
export function isFlat(task: usize): bool {
  const step = load<f64>(task);
  const offset = load<f64>(task, OFFSET);
  const apart = load<f64>(task, 8) == 0 && load<f64>(task, 16) == 0 && load<f64>(task, 24) == 0 && load<f64>(task, 48) == 0;
  return apart && Math.abs(step) == 1 && Math.floor(offset) == offset;
}

/** A word of the description as an integer. */
// @ts-ignore: a decorator of the compiler
@inline
export function whole(task: usize, at: usize, axis: i32): i32 {
  return <i32>load<f64>(task + at + <usize>(axis * 8));
}

/** Tiles are at most so many voxels long. */
const LONGEST: usize = 64;
/** What `placeRow` writes: an int32 number of an element and three float32 for each voxel. */
export const PLACES: usize = 4 * 4 * LONGEST;
export const FAR_Z: usize = 4 * LONGEST;
export const FAR_Y: usize = 2 * 4 * LONGEST;
export const FAR_X: usize = 3 * 4 * LONGEST;

/** Loaded where they are used, see `gamma`. Adding the first to a float32 from 0 to 2^23 leaves the number in the low bits. */
const TABLE = memory.data<u32>([0x4b000000, 0x7fffff, 0x40800000]);

/** What of the source coordinates of a plane of the output does not change along it. */
// @ts-ignore: a decorator of the compiler
@inline
export function planeStart(task: usize, axis: i32, z: i32): f64 {
  return load<f64>(task + <usize>(axis * 8), OFFSET) + load<f64>(task + <usize>(axis * 24)) * <f64>z;
}

/** A source coordinate moves by this much from one voxel of a row to the next. */
// @ts-ignore: a decorator of the compiler
@inline
export function step(task: usize, axis: i32): f64 {
  return load<f64>(task + <usize>(axis * 24), 16);
}

/** A source coordinate where a row begins, from the box on; the same as that of `coordinate`, to the last bit. */
// @ts-ignore: a decorator of the compiler
@inline
export function rowStart(task: usize, axis: i32, planeStart: f64, y: i32, shift: f64, low: f64): v128 {
  return f32x4.splat(<f32>(planeStart + load<f64>(task + <usize>(axis * 24), 8) * <f64>y + shift - low));
}

/**
 * Writes down where the voxels of a tile's row read, four at a time: which element of the box the lower neighbour is, and how far
 * beyond it along each axis (0 to 1). A pass of its own, because few voxels fit into what the processor looks ahead when each has the
 * whole chain from its coordinates to its value.
 *
 * The first coordinates, relative to the box, how they change by a voxel, and the elements of a plane and of a row of the box, are four
 * times the same. With `nearest` not 0 coordinates are rounded, halves to even, instead of down. With `flat`, a row stays in a plane of
 * the box: `startZ` is whole, `stepZ` does not count, and what stands at FAR_Z is left as it was.
 */
// @ts-ignore: a decorator of the compiler
@inline
// biome-ignore format: one argument a line would hide the code
export function placeRow(
  places: usize, startZ: v128, startY: v128, startX: v128, stepZ: v128, stepY: v128, stepX: v128, plane: v128, row: v128, width: i32,
  nearest: i32, flat: bool,
): void {
  const first = f32x4.mul(startZ, plane);
  let steps = f32x4(0, 1, 2, 3);
  const end = places + (<usize>width << 2);
  for (; places < end; places += 16) {
    const atY = f32x4.add(startY, f32x4.mul(stepY, steps));
    const atX = f32x4.add(startX, f32x4.mul(stepX, steps));
    let before = first;
    if (!flat) {
      const atZ = f32x4.add(startZ, f32x4.mul(stepZ, steps));
      const floorZ = nearest ? f32x4.nearest(atZ) : f32x4.floor(atZ);
      before = f32x4.mul(floorZ, plane);
      v128.store(places, f32x4.sub(atZ, floorZ), FAR_Z);
    }
    steps = f32x4.add(steps, v128.load32_splat(TABLE, 8));
    const floorY = nearest ? f32x4.nearest(atY) : f32x4.floor(atY);
    const floorX = nearest ? f32x4.nearest(atX) : f32x4.floor(atX);
    // Converting whole numbers is slow where it must care for all of them; these are from 0 to 2^23.
    const elements = f32x4.add(f32x4.add(before, f32x4.mul(floorY, row)), floorX);
    v128.store(places, v128.and(f32x4.add(elements, v128.load32_splat(TABLE)), v128.load32_splat(TABLE, 4)));
    v128.store(places, f32x4.sub(atY, floorY), FAR_Y);
    v128.store(places, f32x4.sub(atX, floorX), FAR_X);
  }
}
