import { FOREGROUND, OUTSIDE } from './labels-found';
import { coordinate, END, FIRST, highest, integers, isFlat, LAST_INSIDE, lowest, ramp, SIZE, TILE, whole } from './tile';

/** Stands for voxels that do not agree; no int16 label. */
const MIXED: i32 = 0x10000;
/** Weights are float32: closer than this, two labels are tied. */
const TIE: f32 = 1e-6;
/** The scratch begins with offsets and weights of four voxels. */
const FOUR: usize = 64;

/**
 * Resamples labels (int8 or int16, `bytes` each) at affine coordinates: `task` (see `tile.ts`) to dense int16 `target`. With
 * `nearest` 0 the label with the largest linear weight among the eight neighbours wins, the lowest in a tie; else the nearest label.
 * Labels beyond the source and outputs whose coordinate is outside are -1. Returns 1 if any label is above 0, plus 2 if any is below.
 */
export function warpLabels(
  task: usize,
  source: usize,
  sourceRow: usize,
  sourcePlane: usize,
  bytes: i32,
  target: usize,
  scratch: usize,
  nearest: i32,
): i32 {
  const sizeZ = whole(task, SIZE, 0);
  const sizeY = whole(task, SIZE, 1);
  const sizeX = whole(task, SIZE, 2);
  const tileZ = whole(task, TILE, 0);
  const tileY = whole(task, TILE, 1);
  const tileX = whole(task, TILE, 2);
  const row = <usize>sizeX << 1;
  const plane = row * <usize>sizeY;
  const flat = isFlat(task);
  let found = 0;
  for (let z = 0; z < sizeZ; z += tileZ)
    for (let y = 0; y < sizeY; y += tileY)
      for (let x = 0; x < sizeX; x += tileX) {
        const depth = min(tileZ, sizeZ - z);
        const height = min(tileY, sizeY - y);
        const width = min(tileX, sizeX - x);
        const to = target + <usize>z * plane + <usize>y * row + (<usize>x << 1);
        // biome-ignore format: one argument a line would hide the code
        found |= warpTile(task, flat, source, sourceRow, sourcePlane, bytes, to, row, plane, scratch, nearest, z, y, x, depth, height, width);
      }
  return found;
}

// biome-ignore format: one argument a line would hide the code
function warpTile(
  task: usize, flat: bool, source: usize, sourceRow: usize, sourcePlane: usize, bytes: i32, target: usize, row: usize, plane: usize, scratch: usize,
  nearest: i32, z: i32, y: i32, x: i32, depth: i32, height: i32, width: i32,
): i32 {
  // The vectors of the last columns reach beyond them; what they read there must exist, though it is not kept.
  const reached = (width + 3) & ~3;
  const endsZ = coordinate(task, 0, z + depth - 1, y, x);
  const startZ = flat ? min(coordinate(task, 0, z, y, x), endsZ) : lowest(task, 0, z, y, x, depth, height, reached);
  const startY = lowest(task, 1, z, y, x, depth, height, reached);
  const startX = lowest(task, 2, z, y, x, depth, height, reached);
  const stopZ = flat ? startZ + <f64>(depth - 1) : highest(task, 0, z, y, x, depth, height, reached);
  const stopY = highest(task, 1, z, y, x, depth, height, reached);
  const stopX = highest(task, 2, z, y, x, depth, height, reached);
  const lastZ = load<f64>(task, LAST_INSIDE);
  const lastY = load<f64>(task, LAST_INSIDE + 8);
  const lastX = load<f64>(task, LAST_INSIDE + 16);
  const inside = startZ >= 0 && startY >= 0 && startX >= 0 && stopZ <= lastZ && stopY <= lastY && stopX <= lastX;
  const lowZ = <i32>Math.floor(startZ);
  const lowY = <i32>Math.floor(startY);
  const lowX = <i32>Math.floor(startX);
  const boxZ = <i32>Math.floor(stopZ) + (flat ? 1 : 2) - lowZ;
  const boxY = <i32>Math.floor(stopY) + 2 - lowY;
  const boxX = <i32>Math.floor(stopX) + 2 - lowX;
  const fromZ = max(whole(task, FIRST, 0), lowZ);
  const fromY = max(whole(task, FIRST, 1), lowY);
  const fromX = max(whole(task, FIRST, 2), lowX);
  const endZ = min(whole(task, END, 0), lowZ + boxZ);
  const endY = min(whole(task, END, 1), lowY + boxY);
  const endX = min(whole(task, END, 2), lowX + boxX);
  if (fromZ >= endZ || fromY >= endY || fromX >= endX) {
    fill(target, row, plane, depth, height, width, -1);
    return OUTSIDE;
  }

  const four = scratch;
  scratch += FOUR;
  const boxRow = ((<usize>boxX + 7) & ~7) << 1;
  const boxPlane = boxRow * <usize>boxY;
  const full = endZ - fromZ == boxZ && endY - fromY == boxY && endX - fromX == boxX;
  if (!full) memory.fill(scratch, 255, boxPlane * <usize>boxZ);
  const from = source + <usize>fromZ * sourcePlane + <usize>fromY * sourceRow + <usize>(fromX * bytes);
  const to = scratch + <usize>(fromZ - lowZ) * boxPlane + <usize>(fromY - lowY) * boxRow + (<usize>(fromX - lowX) << 1);
  const only = copyRows(from, sourceRow, sourcePlane, bytes, to, boxRow, boxPlane, endZ - fromZ, endY - fromY, <usize>(endX - fromX));
  // Nearly everywhere a tile sees one label only.
  if (only != MIXED && (only == -1 || (full && inside))) {
    fill(target, row, plane, depth, height, width, only);
    return only > 0 ? FOREGROUND : only < 0 ? OUTSIDE : 0;
  }

  const bytesPerPlane = f32x4.splat(<f32>boxPlane);
  const bytesPerRow = f32x4.splat(<f32>boxRow);
  const two = f32x4.splat(2);
  const half = f32x4.splat(0.5);
  const stepZ = f32x4.splat(<f32>load<f64>(task, 2 * 8));
  const stepY = f32x4.splat(<f32>load<f64>(task, 5 * 8));
  const stepX = f32x4.splat(<f32>load<f64>(task, 8 * 8));
  // The first and last coordinates inside, relative to the box.
  const insideZ = <f32>-lowZ;
  const insideY = <f32>-lowY;
  const insideX = <f32>-lowX;
  const outsideZ = <f32>(lastZ - <f64>lowZ);
  const outsideY = <f32>(lastY - <f64>lowY);
  const outsideX = <f32>(lastX - <f64>lowX);
  let found = 0;
  for (let i = 0; i < depth; i++, target += plane) {
    for (let j = 0; j < height; j++) {
      const firstZ = f32x4.splat(<f32>(coordinate(task, 0, z + i, y + j, x) - <f64>lowZ));
      const firstY = f32x4.splat(<f32>(coordinate(task, 1, z + i, y + j, x) - <f64>lowY));
      const firstX = f32x4.splat(<f32>(coordinate(task, 2, z + i, y + j, x) - <f64>lowX));
      const line = target + <usize>j * row;
      for (let k = 0; k < width; k += 4) {
        const steps = ramp(k);
        const atZ = f32x4.add(firstZ, f32x4.mul(stepZ, steps));
        const atY = f32x4.add(firstY, f32x4.mul(stepY, steps));
        const atX = f32x4.add(firstX, f32x4.mul(stepX, steps));
        const floorZ = nearest ? f32x4.floor(f32x4.add(atZ, half)) : f32x4.floor(atZ);
        const floorY = nearest ? f32x4.floor(f32x4.add(atY, half)) : f32x4.floor(atY);
        const floorX = nearest ? f32x4.floor(f32x4.add(atX, half)) : f32x4.floor(atX);
        const offsets = integers(
          f32x4.add(f32x4.add(f32x4.mul(floorZ, bytesPerPlane), f32x4.mul(floorY, bytesPerRow)), f32x4.mul(floorX, two)),
        );
        const farZ = f32x4.sub(atZ, floorZ);
        const farY = f32x4.sub(atY, floorY);
        const farX = f32x4.sub(atX, floorX);
        // A bit for each of the four whose coordinate is outside.
        const gone = inside
          ? 0
          : i32x4.bitmask(
              v128.or(
                v128.or(beyond(atZ, insideZ, outsideZ), beyond(atY, insideY, outsideY)),
                beyond(atX, insideX, outsideX),
              ),
            );
        v128.store(four, offsets);
        v128.store(four, farZ, 16);
        v128.store(four, farY, 32);
        v128.store(four, farX, 48);
        const last = min(4, width - k);
        for (let lane = 0; lane < last; lane++) {
          let label: i32 = -1;
          if (((gone >> lane) & 1) == 0) {
            const word = four + (<usize>lane << 2);
            const at = scratch + <usize>load<i32>(word);
            label = load<i16>(at);
            if (!nearest && !agree(at, boxRow, flat ? 0 : boxPlane))
              label = vote(at, boxRow, flat ? 0 : boxPlane, load<f32>(word, 16), load<f32>(word, 32), load<f32>(word, 48));
          }
          store<i16>(line + (<usize>(k + lane) << 1), <i16>label);
          found |= label > 0 ? FOREGROUND : label < 0 ? OUTSIDE : 0;
        }
      }
    }
  }
  return found;
}

// @ts-ignore: a decorator of the compiler
@inline
function beyond(at: v128, first: f32, last: f32): v128 {
  return v128.or(f32x4.lt(at, f32x4.splat(first)), f32x4.gt(at, f32x4.splat(last)));
}

function fill(target: usize, row: usize, plane: usize, depth: i32, height: i32, width: i32, label: i32): void {
  const labels = i16x8.splat(<i16>label);
  const wide = width & ~7;
  for (let i = 0; i < depth; i++, target += plane) {
    for (let j = 0; j < height; j++) {
      const to = target + <usize>j * row;
      let k = 0;
      for (; k < wide; k += 8) v128.store(to + (<usize>k << 1), labels);
      for (; k < width; k++) store<i16>(to + (<usize>k << 1), <i16>label);
    }
  }
}

/** Copies rows of labels as int16. Returns the label that all of them are, or MIXED. */
// biome-ignore format: one argument a line would hide the code
function copyRows(
  source: usize, sourceRow: usize, sourcePlane: usize, bytes: i32, target: usize, targetRow: usize, targetPlane: usize,
  planes: i32, rows: i32, count: usize,
): i32 {
  const first: i32 = bytes == 1 ? load<i8>(source) : load<i16>(source);
  const all = i16x8.splat(<i16>first);
  let others = i16x8.splat(0);
  let other: i32 = 0;
  const wide = count & ~7;
  for (let i = 0; i < planes; i++, source += sourcePlane, target += targetPlane) {
    let from = source;
    let to = target;
    for (let j = 0; j < rows; j++, from += sourceRow, to += targetRow) {
      let k: usize = 0;
      for (; k < wide; k += 8) {
        const labels = bytes == 1 ? i16x8.extend_low_i8x16_s(v128.load64_zero(from + k)) : v128.load(from + (k << 1));
        v128.store(to + (k << 1), labels);
        others = v128.or(others, v128.xor(labels, all));
      }
      for (; k < count; k++) {
        const label: i32 = bytes == 1 ? load<i8>(from + k) : load<i16>(from + (k << 1));
        store<i16>(to + (k << 1), <i16>label);
        other |= label ^ first;
      }
    }
  }
  return v128.any_true(others) || other != 0 ? MIXED : first;
}

/** Whether the eight labels from `at` on are the same. */
// @ts-ignore: a decorator of the compiler
@inline
function agree(at: usize, row: usize, plane: usize): bool {
  const pair = load<u32>(at);
  const rest = (load<u32>(at + row) ^ pair) | (load<u32>(at + plane) ^ pair) | (load<u32>(at + plane + row) ^ pair);
  return (rest | ((pair >> 16) ^ (pair & 0xffff))) == 0;
}

/** The label with the largest weight among the eight from `at` on, the lowest in a tie. */
function vote(at: usize, row: usize, plane: usize, farZ: f32, farY: f32, farX: f32): i32 {
  let winner: i32 = MIXED;
  let most: f32 = 0;
  // A bit for each of the eight whose label has not been weighed: 1 for x, 2 for y, 4 for z.
  for (let pending = 0xff; pending != 0; ) {
    const first = ctz(pending);
    const label: i32 = load<i16>(corner(at, row, plane, first));
    let sum: f32 = 0;
    for (let i = first; i < 8; i++) {
      if (load<i16>(corner(at, row, plane, i)) != label) continue;
      pending &= ~(1 << i);
      sum += (i & 4 ? farZ : 1 - farZ) * (i & 2 ? farY : 1 - farY) * (i & 1 ? farX : 1 - farX);
    }
    if (sum > most + TIE || (sum >= most - TIE && label < winner)) {
      winner = label;
      most = sum;
    }
  }
  return winner;
}

// @ts-ignore: a decorator of the compiler
@inline
function corner(at: usize, row: usize, plane: usize, i: i32): usize {
  return at + (i & 4 ? plane : 0) + (i & 2 ? row : 0) + (<usize>(i & 1) << 1);
}
