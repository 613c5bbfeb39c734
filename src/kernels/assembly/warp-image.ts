import { fetchTile } from './fetch-tile';
import { fetchPlane } from './fetch-rows';
import { four } from './interpolate';
import {
  coordinate,
  END,
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

/** Elements that far apart are more than `placeRow` can count. */
const MOST_BYTES: usize = 4 << 23;

/**
 * Linear interpolation of a float32 volume at affine coordinates, with zeros around it: `task` (see `tile.ts`) to a dense `target`.
 * The source voxel [0, 0, 0] is at `source` (which need not exist), rows and planes are that many bytes apart. `scratch` takes the
 * box of the largest tile.
 */
export function warpImage(task: usize, source: usize, sourceRow: usize, sourcePlane: usize, target: usize, scratch: usize): void {
  const sizeZ = whole(task, SIZE, 0);
  const sizeY = whole(task, SIZE, 1);
  const sizeX = whole(task, SIZE, 2);
  const tileZ = whole(task, TILE, 0);
  const tileY = whole(task, TILE, 1);
  const tileX = whole(task, TILE, 2);
  const row = <usize>sizeX << 2;
  const plane = row * <usize>sizeY;
  const flat = isFlat(task);
  for (let z = 0; z < sizeZ; z += tileZ)
    for (let y = 0; y < sizeY; y += tileY)
      for (let x = 0; x < sizeX; x += tileX) {
        const depth = min(tileZ, sizeZ - z);
        const height = min(tileY, sizeY - y);
        const width = min(tileX, sizeX - x);
        const to = target + <usize>z * plane + <usize>y * row + (<usize>x << 2);
        if (sizeZ == 1) fetchPlane(to, row, height, <usize>width << 2);
        warpTile(task, flat, source, sourceRow, sourcePlane, to, row, plane, scratch, z, y, x, depth, height, width);
      }
}

// biome-ignore format: one argument a line would hide the code
function warpTile(
  task: usize, flat: bool, source: usize, sourceRow: usize, sourcePlane: usize, target: usize, row: usize, plane: usize, scratch: usize,
  z: i32, y: i32, x: i32, depth: i32, height: i32, width: i32,
): void {
  // The vectors of the last columns reach beyond them; what they read there must exist, though it is not kept.
  const reached = (width + 3) & ~3;
  const lowZ = <i32>(flat ? min(coordinate(task, 0, z, y, x), coordinate(task, 0, z + depth - 1, y, x)) : Math.floor(lowest(task, 0, z, y, x, depth, height, reached)));
  const lowY = <i32>Math.floor(lowest(task, 1, z, y, x, depth, height, reached));
  const lowX = <i32>Math.floor(lowest(task, 2, z, y, x, depth, height, reached));
  const boxZ = flat ? depth : <i32>Math.floor(highest(task, 0, z, y, x, depth, height, reached)) + 2 - lowZ;
  const boxY = <i32>Math.floor(highest(task, 1, z, y, x, depth, height, reached)) + 2 - lowY;
  const boxX = <i32>Math.floor(highest(task, 2, z, y, x, depth, height, reached)) + 2 - lowX;
  const fromZ = max(whole(task, FIRST, 0), lowZ);
  const fromY = max(whole(task, FIRST, 1), lowY);
  const fromX = max(whole(task, FIRST, 2), lowX);
  const endZ = min(whole(task, END, 0), lowZ + boxZ);
  const endY = min(whole(task, END, 1), lowY + boxY);
  const endX = min(whole(task, END, 2), lowX + boxX);
  if (fromZ >= endZ || fromY >= endY || fromX >= endX) {
    fill(target, row, plane, depth, height, width, 0);
    return;
  }
  const from = source + <usize>fromZ * sourcePlane + <usize>fromY * sourceRow + (<usize>fromX << 2);
  const full = endZ - fromZ == boxZ && endY - fromY == boxY && endX - fromX == boxX;
  // Much of a medical image is one value: air that was clipped, what lies outside of a brain. Between equal neighbours n there is nothing
  // to interpolate: n + (n - n) * weight is n + 0, to the last bit, as long as n is finite.
  const only = load<f32>(from);
  if ((full || only == 0) && only - only == 0 && isOne(from, sourceRow, sourcePlane, endZ - fromZ, endY - fromY, <usize>(endX - fromX))) {
    fill(target, row, plane, depth, height, width, only + 0);
    return;
  }

  // Where the source has all of the box, voxels are read where they lie; else out of a copy with zeros around it.
  let box = from;
  let boxRow = sourceRow;
  let boxPlane = sourcePlane;
  if (full && <usize>boxZ * sourcePlane < MOST_BYTES)
    fetchTile(task, source, sourceRow, sourcePlane, scratch, z, y, x, depth, height, width, fromZ, endZ, fromY, endY, fromX, endX);
  else {
    box = scratch + PLACES;
    boxRow = ((<usize>boxX + 3) & ~3) << 2;
    boxPlane = boxRow * <usize>boxY;
    if (!full) memory.fill(box, 0, boxPlane * <usize>boxZ);
    copyRows(
      from, sourceRow, sourcePlane,
      box + <usize>(fromZ - lowZ) * boxPlane + <usize>(fromY - lowY) * boxRow + (<usize>(fromX - lowX) << 2), boxRow, boxPlane,
      endZ - fromZ, endY - fromY, <usize>(endX - fromX),
    );
  }

  const places = scratch;
  const stepZ = f32x4.splat(<f32>step(task, 0));
  const stepY = f32x4.splat(<f32>step(task, 1));
  const stepX = f32x4.splat(<f32>step(task, 2));
  const shiftZ = step(task, 0) * <f64>x;
  const shiftY = step(task, 1) * <f64>x;
  const shiftX = step(task, 2) * <f64>x;
  const planes = f32x4.splat(<f32>(boxPlane >> 2));
  const rows = f32x4.splat(<f32>(boxRow >> 2));
  const whole4 = width & ~3;
  for (let i = 0; i < depth; i++, target += plane) {
    const planeZ = planeStart(task, 0, z + i);
    const planeY = planeStart(task, 1, z + i);
    const planeX = planeStart(task, 2, z + i);
    for (let j = 0; j < height; j++) {
      const startZ = rowStart(task, 0, planeZ, y + j, shiftZ, lowZ);
      const startY = rowStart(task, 1, planeY, y + j, shiftY, lowY);
      const startX = rowStart(task, 2, planeX, y + j, shiftX, lowX);
      let at = places;
      let to = target + <usize>j * row;
      const end = places + (<usize>whole4 << 2);
      if (flat) {
        placeRow(places, startZ, startY, startX, stepZ, stepY, stepX, planes, rows, width, 0, true);
        for (; at < end; at += 16, to += 16) v128.store(to, four(at, box, boxRow, 0));
        if (whole4 < width) storeSome(to, four(at, box, boxRow, 0), width - whole4);
      } else {
        placeRow(places, startZ, startY, startX, stepZ, stepY, stepX, planes, rows, width, 0, false);
        for (; at < end; at += 16, to += 16) v128.store(to, four(at, box, boxRow, boxPlane));
        if (whole4 < width) storeSome(to, four(at, box, boxRow, boxPlane), width - whole4);
      }
    }
  }
}

function fill(target: usize, row: usize, plane: usize, depth: i32, height: i32, width: i32, value: f32): void {
  const values = f32x4.splat(value);
  const whole4 = width & ~3;
  for (let i = 0; i < depth; i++, target += plane) {
    for (let j = 0; j < height; j++) {
      const to = target + <usize>j * row;
      let k = 0;
      for (; k < whole4; k += 4) v128.store(to + (<usize>k << 2), values);
      for (; k < width; k++) store<f32>(to + (<usize>k << 2), value);
    }
  }
}

/** Whether all voxels of a box have the same bits. Of most boxes, the first row says no. */
// biome-ignore format: one argument a line would hide the code
function isOne(source: usize, sourceRow: usize, sourcePlane: usize, planes: i32, rows: i32, count: usize): bool {
  const first = load<i32>(source);
  const all = i32x4.splat(first);
  const bytes = count << 2;
  for (let i = 0; i < planes; i++, source += sourcePlane) {
    let from = source;
    for (let j = 0; j < rows; j++, from += sourceRow) {
      if (bytes < 16) {
        for (let at: usize = 0; at < bytes; at += 4) if (load<i32>(from + at) != first) return false;
        continue;
      }
      // The last vector overlaps the one before it: quicker than voxel by voxel.
      const last = from + bytes - 16;
      let others = v128.xor(v128.load(last), all);
      for (let at = from; at < last; at += 16) others = v128.or(others, v128.xor(v128.load(at), all));
      if (v128.any_true(others)) return false;
    }
  }
  return true;
}

/** Copies rows of float32. */
// @ts-ignore: a decorator of the compiler
@inline
// biome-ignore format: one argument a line would hide the code
function copyRows(
  source: usize, sourceRow: usize, sourcePlane: usize, target: usize, targetRow: usize, targetPlane: usize, planes: i32, rows: i32, count: usize,
): void {
  const bytes = count << 2;
  for (let i = 0; i < planes; i++, source += sourcePlane, target += targetPlane) {
    let from = source;
    let to = target;
    for (let j = 0; j < rows; j++, from += sourceRow, to += targetRow) {
      let at: usize = 0;
      if (bytes < 16) {
        for (; at < bytes; at += 4) store<i32>(to + at, load<i32>(from + at));
        continue;
      }
      // The last vector overlaps the one before it: quicker than voxel by voxel.
      for (; at < bytes - 16; at += 16) v128.store(to + at, v128.load(from + at));
      v128.store(to + bytes - 16, v128.load(from + bytes - 16));
    }
  }
}

// @ts-ignore: a decorator of the compiler
@inline
function storeSome(to: usize, values: v128, count: i32): void {
  store<f32>(to, f32x4.extract_lane(values, 0));
  if (count > 1) store<f32>(to, f32x4.extract_lane(values, 1), 4);
  if (count > 2) store<f32>(to, f32x4.extract_lane(values, 2), 8);
}
