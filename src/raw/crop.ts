import { type Box, boxShape, type Triple, voxels } from '../common/geometry.ts';
import { OUTSIDE } from './labels.ts';

const INSIDE_MARK = 1;
const OUTSIDE_MARK = 2;

/** The nonzero region of an image. */
export interface NonzeroRegion {
  /** 1 inside (nonzero in any channel, or enclosed by such voxels), 2 outside; shape [z, y, x]. Null where nothing is outside. */
  marks: Uint8Array | null;
  /** The bounding box of the inside; the whole volume if nothing is inside. */
  box: Box;
}

/** Finds the region as nnU-Net does: nonzero in any channel, holes filled in 3D (docs/nnunet.md#crop-to-nonzero). */
export function nonzeroRegion(channels: readonly Float32Array[], shape: Triple): NonzeroRegion {
  // What is outside reaches the border: of most CTs, that is all there is to be looked at.
  if (!hasZeroOnBorder(channels, shape)) return { marks: null, box: { lower: [0, 0, 0], upper: [...shape] } };
  const marks = new Uint8Array(voxels(shape));
  for (const channel of channels) markNonzero(channel, marks);
  markOutside(marks, shape);
  return { marks, box: boundingBox(marks, shape) };
}

/** Whether a voxel of the border is 0 in all channels. */
function hasZeroOnBorder(channels: readonly Float32Array[], [depth, height, width]: Triple): boolean {
  const isZero = (i: number): boolean => channels.every((channel) => channel[i] === 0);
  for (let z = 0; z < depth; z++)
    for (let y = 0; y < height; y++) {
      const row = (z * height + y) * width;
      const inner = z > 0 && z < depth - 1 && y > 0 && y < height - 1;
      for (let x = 0; x < width; x += inner && x === 0 ? Math.max(width - 1, 1) : 1) if (isZero(row + x)) return true;
    }
  return false;
}

/** By bits, without that of the sign, and without a branch: noise around 0 would be guessed wrong at every other voxel. */
function markNonzero(channel: Float32Array, marks: Uint8Array): void {
  const bits = new Int32Array(channel.buffer, channel.byteOffset, channel.length);
  for (let i = 0; i < marks.length; i++) {
    const magnitude = bits[i] << 1;
    marks[i] |= ((magnitude | -magnitude) >>> 31) * INSIDE_MARK;
  }
}

/**
 * Marks background that is connected to the border of the volume by faces; what stays 0 is a hole and becomes inside. Works in runs along
 * rows: what lies outside is large and mostly whole rows.
 */
function markOutside(marks: Uint8Array, [depth, height, width]: Triple): void {
  const plane = height * width;
  /** First voxel and end of runs whose neighbours have not been looked at. */
  const runs: number[] = [];
  /** Marks the runs of background in the row from `row` that have a voxel from `low` to `high`. */
  const visit = (row: number, low: number, high: number): void => {
    for (let i = low; i < high; i++) {
      if (marks[i] !== 0) continue;
      let start = i;
      while (start > row && marks[start - 1] === 0) start--;
      while (++i < row + width && marks[i] === 0);
      marks.fill(OUTSIDE_MARK, start, i);
      runs.push(start, i);
    }
  };
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      const row = z * plane + y * width;
      if (z === 0 || z === depth - 1 || y === 0 || y === height - 1) visit(row, row, row + width);
      else {
        visit(row, row, row + 1);
        visit(row, row + width - 1, row + width);
      }
    }
  }
  // Last in, first out: the order does not matter to the result and keeps the list short.
  for (let end = runs.pop(); end !== undefined; end = runs.pop()) {
    const start = runs.pop() as number;
    const row = start - (start % width);
    const y = (row / width) % height;
    if (y > 0) visit(row - width, start - width, end - width);
    if (y < height - 1) visit(row + width, start + width, end + width);
    if (row >= plane) visit(row - plane, start - plane, end - plane);
    if (row < marks.length - plane) visit(row + plane, start + plane, end + plane);
  }
  // Many images have no holes at all, as most CTs: finding that out costs next to nothing.
  const hole = marks.indexOf(0);
  if (hole >= 0) for (let i = hole; i < marks.length; i++) if (marks[i] === 0) marks[i] = INSIDE_MARK;
}

function boundingBox(marks: Uint8Array, shape: Triple): Box {
  const lower: Triple = [...shape];
  const upper: Triple = [0, 0, 0];
  const [depth, height, width] = shape;
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      const start = (z * height + y) * width;
      const row = marks.subarray(start, start + width);
      const first = row.indexOf(INSIDE_MARK);
      if (first < 0) continue;
      const last = row.lastIndexOf(INSIDE_MARK);
      lower[0] = Math.min(lower[0], z);
      lower[1] = Math.min(lower[1], y);
      lower[2] = Math.min(lower[2], first);
      upper[0] = z + 1;
      upper[1] = Math.max(upper[1], y + 1);
      upper[2] = Math.max(upper[2], last + 1);
    }
  }
  return upper[0] === 0 ? { lower: [0, 0, 0], upper: [...shape] } : { lower, upper };
}

/** The voxels of `box`, which lies inside the volume, as an array of their own; the volume itself if the box is all of it. */
export function cropVolume<T extends Float32Array | Int16Array | Int8Array | Uint8Array>(volume: T, shape: Triple, box: Box): T {
  const [depth, height, width] = boxShape(box);
  if (depth * height * width === volume.length) return volume;
  const cropped = new (volume.constructor as new (length: number) => T)(depth * height * width);
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      const start = ((box.lower[0] + z) * shape[1] + box.lower[1] + y) * shape[2] + box.lower[2];
      cropped.set(volume.subarray(start, start + width), (z * height + y) * width);
    }
  }
  return cropped;
}

/** In place: background (label 0) outside the region becomes -1, so that masks and statistics can leave it out. */
export function markLabelsOutside(segmentation: Int8Array | Int16Array, marks: Uint8Array): void {
  const first = marks.indexOf(OUTSIDE_MARK);
  if (first < 0) return;
  for (let i = first; i < segmentation.length; i++) {
    if (segmentation[i] === 0 && marks[i] === OUTSIDE_MARK) segmentation[i] = OUTSIDE;
  }
}
