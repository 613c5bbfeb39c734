import { type Box, boxShape, type Triple, voxels } from '../common/geometry.ts';
import { OUTSIDE } from './labels.ts';

const INSIDE_MARK = 1;
const OUTSIDE_MARK = 2;

/** The nonzero region of an image. */
export interface NonzeroRegion {
  /** 1 inside (nonzero in any channel, or enclosed by such voxels), 2 outside; shape [z, y, x]. */
  marks: Uint8Array;
  /** The bounding box of the inside; the whole volume if nothing is inside. */
  box: Box;
}

/** Finds the region as nnU-Net does: nonzero in any channel, holes filled in 3D (docs/nnunet.md#crop-to-nonzero). */
export function nonzeroRegion(channels: readonly Float32Array[], shape: Triple): NonzeroRegion {
  const marks = new Uint8Array(voxels(shape));
  for (const channel of channels) for (let i = 0; i < marks.length; i++) if (channel[i] !== 0) marks[i] = INSIDE_MARK;
  markOutside(marks, shape);
  return { marks, box: boundingBox(marks, shape) };
}

/** Marks background that is connected to the border of the volume by faces; what stays 0 is a hole and becomes inside. */
function markOutside(marks: Uint8Array, [depth, height, width]: Triple): void {
  const plane = height * width;
  // Every voxel is queued at most once, so the queue never needs to grow past their number.
  let queue = new Uint32Array(1024);
  let queued = 0;
  const visit = (i: number): void => {
    if (marks[i] !== 0) return;
    marks[i] = OUTSIDE_MARK;
    if (queued === queue.length) {
      const larger = new Uint32Array(Math.min(queue.length * 4, marks.length));
      larger.set(queue);
      queue = larger;
    }
    queue[queued++] = i;
  };
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      const wholeRow = z === 0 || z === depth - 1 || y === 0 || y === height - 1;
      const row = z * plane + y * width;
      for (let x = 0; x < width; x += wholeRow ? 1 : Math.max(width - 1, 1)) visit(row + x);
    }
  }
  // Last in, first out: the order does not matter to the result and keeps the queue short.
  while (queued > 0) {
    const i = queue[--queued];
    const x = i % width;
    const y = Math.floor(i / width) % height;
    if (x > 0) visit(i - 1);
    if (x < width - 1) visit(i + 1);
    if (y > 0) visit(i - width);
    if (y < height - 1) visit(i + width);
    if (i >= plane) visit(i - plane);
    if (i < marks.length - plane) visit(i + plane);
  }
  for (let i = 0; i < marks.length; i++) if (marks[i] === 0) marks[i] = INSIDE_MARK;
}

function boundingBox(marks: Uint8Array, shape: Triple): Box {
  const lower: Triple = [...shape];
  const upper: Triple = [0, 0, 0];
  let i = 0;
  for (let z = 0; z < shape[0]; z++) {
    for (let y = 0; y < shape[1]; y++) {
      for (let x = 0; x < shape[2]; x++, i++) {
        if (marks[i] !== INSIDE_MARK) continue;
        if (z < lower[0]) lower[0] = z;
        if (y < lower[1]) lower[1] = y;
        if (x < lower[2]) lower[2] = x;
        if (z >= upper[0]) upper[0] = z + 1;
        if (y >= upper[1]) upper[1] = y + 1;
        if (x >= upper[2]) upper[2] = x + 1;
      }
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
  for (let i = 0; i < segmentation.length; i++) {
    if (segmentation[i] === 0 && marks[i] === OUTSIDE_MARK) segmentation[i] = OUTSIDE;
  }
}
