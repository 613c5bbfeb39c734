import { fetchArea, fetchPlane } from './fetch-rows';
import { four } from './interpolate';
import { copyRows, fill, onlyLabel, shareRows, storeLabels } from './label-rows';
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
import { agree, MIXED, settle, vote, wholeNear } from './vote';

/** Interpolated shares of a label are off by less than 1e-6, as `vote`'s sums are: so near to a half it has to decide. */
const NEAR_HALF: f32 = 1e-5;
/** Bytes of a source's rows. More would not stay in a core's second-level cache. */
const MOST_FETCHED: i32 = 1 << 20;
/** Bytes of a voxel's eight neighbours. */
const CUBE: usize = 16;

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
  const slice = sizeZ == 1;
  if (flat && slice) fetchSource(task, source, sourceRow, sourcePlane, bytes);
  for (let z = 0; z < sizeZ; z += tileZ)
    for (let y = 0; y < sizeY; y += tileY)
      for (let x = 0; x < sizeX; x += tileX) {
        const depth = min(tileZ, sizeZ - z);
        const height = min(tileY, sizeY - y);
        const width = min(tileX, sizeX - x);
        const to = target + <usize>z * plane + <usize>y * row + (<usize>x << 1);
        if (slice) fetchPlane(to, row, height, <usize>width << 1);
        // biome-ignore format: one argument a line would hide the code
        found |= warpTile(task, flat, source, sourceRow, sourcePlane, bytes, to, row, plane, scratch, nearest, z, y, x, depth, height, width);
      }
  return found;
}

/**
 * All there is of a slice's source, which is to be what the slice touches: one row after the other, where tiles that lie across it would wait
 * for each of their rows anew.
 */
function fetchSource(task: usize, source: usize, sourceRow: usize, sourcePlane: usize, bytes: i32): void {
  const plane = <i32>coordinate(task, 0, 0, 0, 0);
  const fromY = whole(task, FIRST, 1);
  const fromX = whole(task, FIRST, 2);
  const rows = whole(task, END, 1) - fromY;
  const length = (whole(task, END, 2) - fromX) * bytes;
  if (plane < whole(task, FIRST, 0) || plane >= whole(task, END, 0) || rows <= 0 || length <= 0 || rows > MOST_FETCHED / length) return;
  fetchArea(source + <usize>plane * sourcePlane + <usize>fromY * sourceRow + <usize>(fromX * bytes), sourceRow, rows, <usize>length);
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
  const cube = scratch + PLACES;
  const box = cube + CUBE;
  const pitch = (<usize>boxX + 7) & ~7;
  const planePitch = pitch * <usize>boxY;
  const start = <usize>(fromZ - lowZ) * planePitch + <usize>(fromY - lowY) * pitch + <usize>(fromX - lowX);
  const one: i32 = full ? (bytes == 1 ? load<i8>(from) : load<i16>(from)) : -1;
  let other = MIXED;
  if (!nearest) {
    if (!full) memory.fill(box, 0, (planePitch * <usize>boxZ) << 2);
    // biome-ignore format: one argument a line would hide the code
    other = shareRows(
      from, sourceRow, sourcePlane, bytes, one, box + (start << 2), pitch << 2, planePitch << 2, endZ - fromZ, endY - fromY, <usize>(endX - fromX),
    );
  }
  if (other == MIXED) {
    if (!full) memory.fill(box, 255, (planePitch * <usize>boxZ) << 1);
    // biome-ignore format: one argument a line would hide the code
    copyRows(
      from, sourceRow, sourcePlane, bytes, box + (start << 1), pitch << 1, planePitch << 1, endZ - fromZ, endY - fromY, <usize>(endX - fromX),
    );
  }

  const stepZ = f32x4.splat(<f32>step(task, 0));
  const stepY = f32x4.splat(<f32>step(task, 1));
  const stepX = f32x4.splat(<f32>step(task, 2));
  const shiftZ = step(task, 0) * <f64>x;
  const shiftY = step(task, 1) * <f64>x;
  const shiftX = step(task, 2) * <f64>x;
  const planes = f32x4.splat(<f32>planePitch);
  const rows = f32x4.splat(<f32>pitch);
  const between: usize = flat ? 0 : planePitch;
  let found = 0;
  // Lanes that were one of two labels.
  let ones = 0;
  let others = 0;
  for (let i = 0; i < depth; i++, target += plane) {
    const planeZ = planeStart(task, 0, z + i);
    const planeY = planeStart(task, 1, z + i);
    const planeX = planeStart(task, 2, z + i);
    for (let j = 0; j < height; j++) {
      const startZ = rowStart(task, 0, planeZ, y + j, shiftZ, lowZ);
      const startY = rowStart(task, 1, planeY, y + j, shiftY, lowY);
      const startX = rowStart(task, 2, planeX, y + j, shiftX, lowX);
      if (flat) placeRow(places, startZ, startY, startX, stepZ, stepY, stepX, planes, rows, width, nearest, true);
      else placeRow(places, startZ, startY, startX, stepZ, stepY, stepX, planes, rows, width, nearest, false);
      const line = target + <usize>j * row;
      if (other == MIXED) {
        for (let k = 0; k < width; k++) {
          const word = places + (<usize>k << 2);
          const at = box + (<usize>load<i32>(word) << 1);
          let label: i32 = load<i16>(at);
          if (!nearest && !agree(at, pitch << 1, between << 1))
            label = decide(task, word, cube, box, one, other, pitch, planePitch, between, z + i, y + j, x + k, lowZ, lowY, lowX);
          store<i16>(line + (<usize>k << 1), <i16>label);
          found |= kind(label);
        }
      } else {
        for (let k = 0; k < width; k += 4) {
          const word = places + (<usize>k << 2);
          const to = line + (<usize>k << 1);
          const lanes = (1 << min(width - k, 4)) - 1;
          const share = f32x4.sub(four(word, box, pitch << 2, between << 2), f32x4.splat(0.5));
          const most = f32x4.gt(share, f32x4.splat(0));
          const labels = v128.bitselect(i32x4.splat(other), i32x4.splat(one), most);
          storeLabels(to, i16x8.narrow_i32x4_s(labels, labels), width - k);
          const near = i32x4.bitmask(f32x4.lt(f32x4.abs(share), f32x4.splat(NEAR_HALF)));
          others |= i32x4.bitmask(most) & ~near & lanes;
          ones |= ~i32x4.bitmask(most) & ~near & lanes;
          for (let undecided = near & lanes; undecided != 0; undecided &= undecided - 1) {
            const lane = ctz(undecided);
            const at = word + (<usize>lane << 2);
            const label = decide(task, at, cube, box, one, other, pitch, planePitch, between, z + i, y + j, x + k + lane, lowZ, lowY, lowX);
            store<i16>(to + (<usize>lane << 1), <i16>label);
            found |= kind(label);
          }
        }
      }
    }
  }
  return found | (ones ? kind(one) : 0) | (others ? kind(other) : 0);
}

// @ts-ignore: a decorator of the compiler
@inline
function kind(label: i32): i32 {
  return label > 0 ? FOREGROUND : label < 0 ? OUTSIDE : 0;
}

/** A label of the box: int16 where there are many, and where there are two, whether it is the other. */
// @ts-ignore: a decorator of the compiler
@inline
function labelAt(box: usize, element: usize, one: i32, other: i32): i32 {
  if (other == MIXED) return load<i16>(box + (element << 1));
  return load<f32>(box + (element << 2)) == 0 ? one : other;
}

/** The label of voxel [z, y, x] of the output, whose place is at `word`, by the weights of its neighbours. */
// biome-ignore format: one argument a line would hide the code
function decide(
  task: usize, word: usize, cube: usize, box: usize, one: i32, other: i32, pitch: usize, planePitch: usize, between: usize,
  z: i32, y: i32, x: i32, lowZ: i32, lowY: i32, lowX: i32,
): i32 {
  const at = <usize>load<i32>(word);
  for (let i: usize = 0; i < 8; i++) {
    const element = at + (i & 4 ? between : 0) + (i & 2 ? pitch : 0) + (i & 1);
    store<i16>(cube + (i << 1), <i16>labelAt(box, element, one, other));
  }
  const farZ: f32 = between ? load<f32>(word, FAR_Z) : 0;
  const farY = load<f32>(word, FAR_Y);
  const farX = load<f32>(word, FAR_X);
  const label = vote(cube, farZ, farY, farX);
  if (label != MIXED) return label;
  const nearZ = <usize>(wholeNear(coordinate(task, 0, z, y, x)) - lowZ);
  const nearY = <usize>(wholeNear(coordinate(task, 1, z, y, x)) - lowY);
  const nearX = <usize>(wholeNear(coordinate(task, 2, z, y, x)) - lowX);
  return settle(labelAt(box, nearZ * planePitch + nearY * pitch + nearX, one, other), cube, farZ, farY, farX);
}
