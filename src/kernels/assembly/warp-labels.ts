import { FOREGROUND, OUTSIDE } from './labels-found';
import {
  coordinate,
  END,
  FAR_X,
  FAR_Y,
  FAR_Z,
  FIRST,
  highest,
  isFlat,
  lowest,
  PLACES,
  placeRow,
  planeStart,
  rowStart,
  SIZE,
  step,
  TILE,
  whole,
} from './tile';

/** Stands for voxels that do not agree; no int16 label. */
const MIXED: i32 = 0x10000;
/** Weights are float32: closer than this, two labels are tied, and so are two voxels that a coordinate is between. */
const TIE: f32 = 1e-6;

/**
 * Resamples labels (int8 or int16, `bytes` each) at affine coordinates: `task` (see `tile.ts`) to dense int16 `target`. With
 * `nearest` 0 the label with the largest linear weight among the eight neighbours wins; in a tie the nearest one's if it is tied, else
 * the lowest of the tied. Else it is the nearest label. Voxels beyond the source are -1. Returns 1 if any label is above 0, plus 2 if
 * any is below.
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
  // Smaller tiles than those of images: more of them see one label only.
  const tileZ = (whole(task, TILE, 0) + 1) >> 1;
  const tileY = (whole(task, TILE, 1) + 1) >> 1;
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
  // Rounding halves to even must not depend on where the box begins.
  const even = nearest ? ~1 : ~0;
  const lowZ = <i32>Math.floor(startZ) & even;
  const lowY = <i32>Math.floor(startY) & even;
  const lowX = <i32>Math.floor(startX) & even;
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

  const from = source + <usize>fromZ * sourcePlane + <usize>fromY * sourceRow + <usize>(fromX * bytes);
  const full = endZ - fromZ == boxZ && endY - fromY == boxY && endX - fromX == boxX;
  // Nearly everywhere a tile sees one label only.
  const only = onlyLabel(from, sourceRow, sourcePlane, bytes, endZ - fromZ, endY - fromY, <usize>(endX - fromX));
  if (only != MIXED && (only == -1 || full)) {
    fill(target, row, plane, depth, height, width, only);
    return only > 0 ? FOREGROUND : only < 0 ? OUTSIDE : 0;
  }

  const places = scratch;
  scratch += PLACES;
  const pitch = (<usize>boxX + 7) & ~7;
  const boxRow = pitch << 1;
  const boxPlane = boxRow * <usize>boxY;
  if (!full) memory.fill(scratch, 255, boxPlane * <usize>boxZ);
  const to = scratch + <usize>(fromZ - lowZ) * boxPlane + <usize>(fromY - lowY) * boxRow + (<usize>(fromX - lowX) << 1);
  copyRows(from, sourceRow, sourcePlane, bytes, to, boxRow, boxPlane, endZ - fromZ, endY - fromY, <usize>(endX - fromX));

  const stepZ = f32x4.splat(<f32>step(task, 0));
  const stepY = f32x4.splat(<f32>step(task, 1));
  const stepX = f32x4.splat(<f32>step(task, 2));
  const shiftZ = step(task, 0) * <f64>x;
  const shiftY = step(task, 1) * <f64>x;
  const shiftX = step(task, 2) * <f64>x;
  const planes = f32x4.splat(<f32>(pitch * <usize>boxY));
  const rows = f32x4.splat(<f32>pitch);
  let found = 0;
  for (let i = 0; i < depth; i++, target += plane) {
    const planeZ = planeStart(task, 0, z + i);
    const planeY = planeStart(task, 1, z + i);
    const planeX = planeStart(task, 2, z + i);
    for (let j = 0; j < height; j++) {
      const startZ = rowStart(task, 0, planeZ, y + j, shiftZ, lowZ);
      const startY = rowStart(task, 1, planeY, y + j, shiftY, lowY);
      const startX = rowStart(task, 2, planeX, y + j, shiftX, lowX);
      placeRow(places, startZ, startY, startX, stepZ, stepY, stepX, planes, rows, width, nearest);
      const line = target + <usize>j * row;
      for (let k = 0; k < width; k++) {
        const word = places + (<usize>k << 2);
        const at = scratch + (<usize>load<i32>(word) << 1);
        let label: i32 = load<i16>(at);
        if (!nearest && !agree(at, boxRow, flat ? 0 : boxPlane)) {
          label = vote(at, boxRow, flat ? 0 : boxPlane, load<f32>(word, FAR_Z), load<f32>(word, FAR_Y), load<f32>(word, FAR_X));
          if (label == MIXED) {
            const nearZ = <usize>(wholeNear(coordinate(task, 0, z + i, y + j, x + k)) - lowZ);
            const nearY = <usize>(wholeNear(coordinate(task, 1, z + i, y + j, x + k)) - lowY);
            const nearX = <usize>(wholeNear(coordinate(task, 2, z + i, y + j, x + k)) - lowX);
            const near = load<i16>(scratch + nearZ * boxPlane + nearY * boxRow + (nearX << 1));
            label = settle(near, at, boxRow, flat ? 0 : boxPlane, load<f32>(word, FAR_Z), load<f32>(word, FAR_Y), load<f32>(word, FAR_X));
          }
        }
        store<i16>(line + (<usize>k << 1), <i16>label);
        found |= label > 0 ? FOREGROUND : label < 0 ? OUTSIDE : 0;
      }
    }
  }
  return found;
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

/** The label that all of a box are, or MIXED. */
// biome-ignore format: one argument a line would hide the code
function onlyLabel(source: usize, sourceRow: usize, sourcePlane: usize, bytes: i32, planes: i32, rows: i32, count: usize): i32 {
  const first: i32 = bytes == 1 ? load<i8>(source) : load<i16>(source);
  const all = bytes == 1 ? i8x16.splat(<i8>first) : i16x8.splat(<i16>first);
  const length = count * <usize>bytes;
  let others = i16x8.splat(0);
  let other: i32 = 0;
  for (let i = 0; i < planes; i++, source += sourcePlane) {
    let from = source;
    for (let j = 0; j < rows; j++, from += sourceRow) {
      if (length < 16) {
        for (let k: usize = 0; k < count; k++) other |= (bytes == 1 ? load<i8>(from + k) : load<i16>(from + (k << 1))) ^ first;
        continue;
      }
      // The last vector overlaps the one before it: quicker than voxel by voxel.
      const last = from + length - 16;
      for (let at = from; at < last; at += 16) others = v128.or(others, v128.xor(v128.load(at), all));
      others = v128.or(others, v128.xor(v128.load(last), all));
    }
    if (v128.any_true(others) || other != 0) return MIXED;
  }
  return first;
}

/** Copies rows of labels as int16. */
// biome-ignore format: one argument a line would hide the code
function copyRows(
  source: usize, sourceRow: usize, sourcePlane: usize, bytes: i32, target: usize, targetRow: usize, targetPlane: usize,
  planes: i32, rows: i32, count: usize,
): void {
  for (let i = 0; i < planes; i++, source += sourcePlane, target += targetPlane) {
    let from = source;
    let to = target;
    for (let j = 0; j < rows; j++, from += sourceRow, to += targetRow) {
      if (count < 8) {
        for (let k: usize = 0; k < count; k++) store<i16>(to + (k << 1), bytes == 1 ? <i16>load<i8>(from + k) : load<i16>(from + (k << 1)));
        continue;
      }
      for (let k: usize = 0; k < count - 8; k += 8) v128.store(to + (k << 1), eight(from, k, bytes));
      v128.store(to + ((count - 8) << 1), eight(from, count - 8, bytes));
    }
  }
}

/** Eight labels as int16. */
// @ts-ignore: a decorator of the compiler
@inline
function eight(from: usize, at: usize, bytes: i32): v128 {
  return bytes == 1 ? i16x8.extend_low_i8x16_s(v128.load64_zero(from + at)) : v128.load(from + (at << 1));
}

/** Whether the eight labels from `at` on are the same. */
// @ts-ignore: a decorator of the compiler
@inline
function agree(at: usize, row: usize, plane: usize): bool {
  const pair = load<u32>(at);
  const rest = (load<u32>(at + row) ^ pair) | (load<u32>(at + plane) ^ pair) | (load<u32>(at + plane + row) ^ pair);
  return (rest | ((pair >> 16) ^ (pair & 0xffff))) == 0;
}

/** The label with the largest weight among the eight from `at` on, or MIXED in a tie. */
function vote(at: usize, row: usize, plane: usize, farZ: f32, farY: f32, farX: f32): i32 {
  let winner: i32 = MIXED;
  let most: f32 = 0;
  let second: f32 = 0;
  // A bit for each of the eight whose label has not been weighed: 1 for x, 2 for y, 4 for z.
  for (let pending = 0xff; pending != 0; ) {
    const first = ctz(pending);
    const label: i32 = load<i16>(corner(at, row, plane, first));
    let sum: f32 = 0;
    for (let i = first; i < 8; i++) {
      if (load<i16>(corner(at, row, plane, i)) != label) continue;
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

/** The label of a tie among the eight from `at` on: `near`, the nearest voxel's, if it is one of the tied, else the lowest of them. */
function settle(near: i32, at: usize, row: usize, plane: usize, farZ: f32, farY: f32, farX: f32): i32 {
  let enough: f32 = 0;
  for (let i = 0; i < 8; i++) enough = max(enough, share(load<i16>(corner(at, row, plane, i)), at, row, plane, farZ, farY, farX) - TIE);
  if (share(near, at, row, plane, farZ, farY, farX) >= enough) return near;
  let lowest: i32 = MIXED;
  for (let i = 0; i < 8; i++) {
    const label: i32 = load<i16>(corner(at, row, plane, i));
    if (label < lowest && share(label, at, row, plane, farZ, farY, farX) >= enough) lowest = label;
  }
  return lowest;
}

/** The weight of one label among the eight from `at` on. */
function share(label: i32, at: usize, row: usize, plane: usize, farZ: f32, farY: f32, farX: f32): f32 {
  let sum: f32 = 0;
  for (let i = 0; i < 8; i++) if (load<i16>(corner(at, row, plane, i)) == label) sum += weight(i, farZ, farY, farX);
  return sum;
}

// @ts-ignore: a decorator of the compiler
@inline
function weight(i: i32, farZ: f32, farY: f32, farX: f32): f32 {
  return (i & 4 ? farZ : 1 - farZ) * (i & 2 ? farY : 1 - farY) * (i & 1 ? farX : 1 - farX);
}

// @ts-ignore: a decorator of the compiler
@inline
function corner(at: usize, row: usize, plane: usize, i: i32): usize {
  return at + (i & 4 ? plane : 0) + (i & 2 ? row : 0) + (<usize>(i & 1) << 1);
}

/** The whole number nearest to a coordinate; of two the even one. */
function wholeNear(at: f64): i32 {
  const up = <i32>Math.floor(at + 0.5 + TIE);
  return <i32>Math.floor(at + 0.5 - TIE) == up || !(up & 1) ? up : up - 1;
}
