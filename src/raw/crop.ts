import { type Box, boxShape, type Triple, voxels } from '../common/geometry.ts';
import { OUTSIDE } from './labels.ts';

/** The nonzero region of an image. */
export interface NonzeroRegion {
  /** 1 outside, else 0: nonzero in any channel, or enclosed by such voxels; shape [z, y, x]. Null where nothing lies outside. */
  outside: Uint8Array | null;
  /** The bounding box of the inside; the whole volume if nothing is inside. */
  box: Box;
}

/** Finds the region as nnU-Net does: nonzero in any channel, holes filled in 3D (docs/nnunet.md#crop-to-nonzero). */
export function nonzeroRegion(channels: readonly Float32Array[], shape: Triple): NonzeroRegion {
  const outside = new Uint8Array(voxels(shape));
  const any = markOutside(outside, channels, shape);
  return any ? { outside, box: boundingBox(outside, shape) } : { outside: null, box: { lower: [0, 0, 0], upper: [...shape] } };
}

/**
 * Marks voxels that are 0 in all channels and connected to the border of the volume by faces. What else is 0 lies in a hole, and need
 * not be looked at: nor does anything but the border of an image without such voxels, as most CTs are. Works in runs along rows: what
 * lies outside is large and mostly whole rows. Returns whether there is any.
 */
function markOutside(outside: Uint8Array, channels: readonly Float32Array[], [depth, height, width]: Triple): boolean {
  const plane = height * width;
  const [first, ...others] = channels.map(({ buffer, byteOffset, length }) => new Int32Array(buffer, byteOffset, length));
  /** By bits, without that of the sign: denormal numbers and NaN are not 0. */
  const isNew = (i: number): boolean => {
    if (first[i] << 1 !== 0 || outside[i] !== 0) return false;
    for (const other of others) if (other[i] << 1 !== 0) return false;
    return true;
  };
  /** First voxel and end of runs whose neighbours have not been looked at. */
  const runs: number[] = [];
  /** Marks the runs of background in the row from `row` that have a voxel from `low` to `high`. */
  const visit = (row: number, low: number, high: number): void => {
    for (let i = low; i < high; i++) {
      if (!isNew(i)) continue;
      let start = i;
      while (start > row && isNew(start - 1)) start--;
      while (++i < row + width && isNew(i));
      outside.fill(1, start, i);
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
  const any = runs.length > 0;
  // Last in, first out: the order does not matter to the result and keeps the list short.
  for (let end = runs.pop(); end !== undefined; end = runs.pop()) {
    const start = runs.pop() as number;
    const row = start - (start % width);
    const y = (row / width) % height;
    if (y > 0) visit(row - width, start - width, end - width);
    if (y < height - 1) visit(row + width, start + width, end + width);
    if (row >= plane) visit(row - plane, start - plane, end - plane);
    if (row < outside.length - plane) visit(row + plane, start + plane, end + plane);
  }
  return any;
}

function boundingBox(outside: Uint8Array, shape: Triple): Box {
  const lower: Triple = [...shape];
  const upper: Triple = [0, 0, 0];
  const [depth, height, width] = shape;
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      const start = (z * height + y) * width;
      const row = outside.subarray(start, start + width);
      const first = row.indexOf(0);
      if (first < 0) continue;
      const last = row.lastIndexOf(0);
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
export function markLabelsOutside(segmentation: Int8Array | Int16Array, outside: Uint8Array): void {
  for (let i = 0; i < segmentation.length; i++) {
    if (segmentation[i] === 0 && outside[i] === 1) segmentation[i] = OUTSIDE;
  }
}
