import { LINE } from './fetch-rows';
import { coordinate } from './tile';

/** Loaded where they are used, see `gamma`. Adding the first to a float32 from 0 to 2^23 leaves the number in the low bits. */
const TABLE = memory.data<u32>([0x4b000000, 0x7fffff]);
/** Voxels are read for coordinates up to so far from them. */
const NEAR: f64 = 1;
/** Where rows of the source run nearly along two faces of a tile, these say nothing about where in a row to read. */
const PARALLEL: f64 = 1e-3;

/** Of two faces of a tile: from where on four rows are read, how far, and how that changes from plane to plane and by four rows. */
const BOUND: usize = 4 * 16;
const WIDE: usize = 16;
const BY_PLANE: usize = 2 * 16;
const BY_ROWS: usize = 3 * 16;

/**
 * Loads a word of each cache line that a tile reads of a source, and does nothing with it: all of them at once, where the interpolation
 * that comes after would wait for one after the other. WebAssembly has no other way to ask for them.
 *
 * A turned tile takes up about a third of the box around it. What is read of a row of the source lies between its six faces, and each
 * two bound it by numbers that change evenly from row to row. No value depends on them: a line too few is a line to wait for.
 *
 * The tile begins at output voxel [z, y, x]; of the source, what is from `from…` to `end…` exists. `scratch` takes 224 bytes.
 */
// biome-ignore format: one argument a line would hide the code
export function fetchTile(
  task: usize, source: usize, sourceRow: usize, sourcePlane: usize, scratch: usize, z: i32, y: i32, x: i32, depth: i32, height: i32, width: i32,
  fromZ: i32, endZ: i32, fromY: i32, endY: i32, fromX: i32, endX: i32,
): void {
  const bounds = scratch + 32;
  boundRows(bounds, task, z, y, x, depth, height, width, fromZ, fromY, fromX);
  let lowA = v128.load(bounds);
  let lowB = v128.load(bounds, BOUND);
  let lowC = v128.load(bounds, 2 * BOUND);
  const wideA = v128.load(bounds, WIDE);
  const wideB = v128.load(bounds, BOUND + WIDE);
  const wideC = v128.load(bounds, 2 * BOUND + WIDE);
  const last = f32x4.splat(<f32>(endX - 1 - fromX));
  let seen = i32x4.splat(0);
  let plane = source + <usize>fromZ * sourcePlane + <usize>fromY * sourceRow + (<usize>fromX << 2);
  for (let i = fromZ; i < endZ; i++, plane += sourcePlane) {
    let a = lowA;
    let b = lowB;
    let c = lowC;
    lowA = f32x4.add(lowA, v128.load(bounds, BY_PLANE));
    lowB = f32x4.add(lowB, v128.load(bounds, BOUND + BY_PLANE));
    lowC = f32x4.add(lowC, v128.load(bounds, 2 * BOUND + BY_PLANE));
    let row = plane;
    for (let j = fromY; j < endY; j += 4) {
      const from = f32x4.pmax(f32x4.splat(0), f32x4.pmax(f32x4.pmax(a, b), c));
      const to = f32x4.pmin(last, f32x4.pmin(f32x4.pmin(f32x4.add(a, wideA), f32x4.add(b, wideB)), f32x4.add(c, wideC)));
      a = f32x4.add(a, v128.load(bounds, BY_ROWS));
      b = f32x4.add(b, v128.load(bounds, BOUND + BY_ROWS));
      c = f32x4.add(c, v128.load(bounds, 2 * BOUND + BY_ROWS));
      const some = f32x4.le(from, to);
      if (!v128.any_true(some)) {
        row += sourceRow << 2;
        continue;
      }
      v128.store(scratch, wholes(from));
      // -1 of rows that are not read.
      v128.store(scratch, v128.bitselect(wholes(to), i32x4.splat(-1), some), 16);
      const stop = scratch + (<usize>min(endY - j, 4) << 2);
      for (let at = scratch; at < stop; at += 4, row += sourceRow) {
        const end = load<i32>(at, 16);
        if (end < 0) continue;
        const lastWord = row + (<usize>end << 2);
        for (let word = row + (<usize>load<i32>(at) << 2); word < lastWord; word += LINE) seen = v128.or(seen, v128.load32_zero(word));
        seen = v128.or(seen, v128.load32_zero(lastWord));
      }
    }
  }
  v128.store(scratch, seen);
}

/** Float32 from 0 to 2^23 as integers. */
// @ts-ignore: a decorator of the compiler
@inline
function wholes(x: v128): v128 {
  return v128.and(f32x4.add(x, v128.load32_splat(TABLE)), v128.load32_splat(TABLE, 4));
}

/** Writes down three bounds, one for each axis of the output. */
// biome-ignore format: one argument a line would hide the code
function boundRows(
  bounds: usize, task: usize, z: i32, y: i32, x: i32, depth: i32, height: i32, width: i32, fromZ: i32, fromY: i32, fromX: i32,
): void {
  const zz = load<f64>(task);
  const zy = load<f64>(task, 8);
  const zx = load<f64>(task, 16);
  const yz = load<f64>(task, 24);
  const yy = load<f64>(task, 32);
  const yx = load<f64>(task, 40);
  const xz = load<f64>(task, 48);
  const xy = load<f64>(task, 56);
  const xx = load<f64>(task, 64);
  const atZ = coordinate(task, 0, z, y, x) - <f64>fromZ;
  const atY = coordinate(task, 1, z, y, x) - <f64>fromY;
  const atX = coordinate(task, 2, z, y, x) - <f64>fromX;
  // Rows of the inverse matrix, but for the determinant.
  const inZ = yy * xx - yx * xy;
  const inY = zx * xy - zy * xx;
  const inX = zy * yx - zx * yy;
  const determinant = zz * inZ + yz * inY + xz * inX;
  boundAxis(bounds, inZ, inY, inX, determinant, depth, atZ, atY, atX);
  boundAxis(bounds + BOUND, yx * xz - yz * xx, zz * xx - zx * xz, zx * yz - zz * yx, determinant, height, atZ, atY, atX);
  boundAxis(bounds + 2 * BOUND, yz * xy - yy * xz, zy * xz - zz * xy, zz * yy - zy * yz, determinant, width, atZ, atY, atX);
}

/** Between the faces of a tile across an axis, a coordinate of the output goes from 0 to `length` - 1; `in…` times the source's. */
// biome-ignore format: one argument a line would hide the code
function boundAxis(bound: usize, inZ: f64, inY: f64, inX: f64, determinant: f64, length: i32, atZ: f64, atY: f64, atX: f64): void {
  let low: f64 = 0;
  let wide: f64 = Infinity;
  let byPlane: f64 = 0;
  let byRow: f64 = 0;
  if (Math.abs(inX) > PARALLEL * Math.abs(determinant)) {
    byPlane = -inZ / inX;
    byRow = -inY / inX;
    const reach = (<f64>(length - 1) * determinant) / inX;
    const around = NEAR * (1 + Math.abs(byPlane) + Math.abs(byRow));
    low = atX + min(reach, 0.0) - byPlane * atZ - byRow * atY - around;
    wide = Math.abs(reach) + 2 * around;
  }
  v128.store(bound, f32x4.add(f32x4.splat(<f32>low), f32x4.mul(f32x4.splat(<f32>byRow), f32x4(0, 1, 2, 3))));
  v128.store(bound, f32x4.splat(<f32>wide), WIDE);
  v128.store(bound, f32x4.splat(<f32>byPlane), BY_PLANE);
  v128.store(bound, f32x4.splat(<f32>(4 * byRow)), BY_ROWS);
}
