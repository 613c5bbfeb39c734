import type { Triple } from '../common/geometry.ts';
import type { Strided } from './strided.ts';
import type { VoxelType } from './voxel-type.ts';

/** What a kernel that writes labels found among them: bits of its result. */
export const FOUND = { foreground: 1, outside: 2 } as const;

/** Where a warp takes the voxels of its output from. Everything is in voxels, array order. */
export interface Warp {
  /** Takes an output voxel [z, y, x] to source coordinates: 3x3, row by row, and what is added. */
  matrix: readonly number[];
  offset: Triple;
  /** Of the output. */
  size: Triple;
  /** The output is made in tiles of this size, along x a multiple of 4; see `warpTile`. */
  tile: Triple;
  /** The source voxels that exist, half open; around them images are 0 and labels -1. */
  first: Triple;
  end: Triple;
}

/** Bytes that `describeWarp` writes. */
export const WARP_BYTES = 24 * 8;

export interface SpatialKernels {
  /** Writes a warp down at an 8-byte aligned place in the memory, for the two below. */
  describeWarp(pointer: number, warp: Warp): void;
  /**
   * Linear interpolation of float32 `source`, strided from its voxel [0, 0, 0] (which need not exist), to dense `target`.
   * `scratch` holds WARP_SCRATCH_BYTES.
   */
  warpImage(warp: number, source: Strided, target: number, scratch: number): void;
  /**
   * Resamples labels of `bytes` (int8 or int16) to dense int16: the label with the largest linear weight, in a tie the nearest if it
   * is tied, else the lowest of the tied; or the nearest one. Returns bits of FOUND.
   */
  warpLabels(warp: number, source: Strided, bytes: number, target: number, scratch: number, nearest: boolean): number;
  /** Copies voxels of an image, `count` a row, to float32; rows from their other end where `mirrored`. Strides may be negative. */
  copyImage(source: Strided, target: Strided, planes: number, rows: number, count: number, type: VoxelType, mirrored?: boolean): void;
  /** Dense int16 [depth, height, width]: label [z, y, x] is that of source voxel [indices[0][z], …], int32 tables. */
  pickLabels(source: Strided, target: number, size: Triple, indices: Triple): void;
  /** Sets float32 voxels to 0 where the int16 label is below 0. */
  maskImage(image: number, labels: number, count: number): void;
  /** Replaces one int16 label by another. Returns bits of FOUND, as they are then. */
  replaceLabel(labels: number, count: number, from: number, to: number): number;
}

// biome-ignore format: one argument a line would hide the shape
type Box = [source: number, row: number, plane: number, target: number, targetRow: number, targetPlane: number, planes: number, rows: number, count: number];

interface Exports {
  warpImage(warp: number, source: number, row: number, plane: number, target: number, scratch: number): void;
  // biome-ignore format: one argument a line would hide the shape
  warpLabels(warp: number, source: number, row: number, plane: number, bytes: number, target: number, scratch: number, nearest: number): number;
  copyBox(...box: Box): void;
  mirrorBox(...box: Box): void;
  copyFloat16(...box: [...Box, mirrored: number]): void;
  copyInt16(...box: [...Box, mirrored: number, scale: number, offset: number]): void;
  pickLabels(source: number, row: number, plane: number, target: number, ...sizeAndIndices: [...Triple, ...Triple]): void;
  maskImage(image: number, labels: number, count: number): void;
  replaceLabel(labels: number, count: number, from: number, to: number): number;
}

export function bindSpatial(compiled: unknown, buffer: SharedArrayBuffer): SpatialKernels {
  const exports = compiled as Exports;
  const words = new Float64Array(buffer, 0, Math.floor(buffer.byteLength / 8));
  return {
    describeWarp: (pointer, { matrix, offset, size, tile, first, end }) => {
      let at = pointer / 8;
      for (const numbers of [matrix, offset, size, tile, first, end]) for (const number of numbers) words[at++] = number;
    },
    warpImage: (warp, { pointer, row, plane }, target, scratch) => exports.warpImage(warp, pointer, row, plane, target, scratch),
    warpLabels: (warp, { pointer, row, plane }, bytes, target, scratch, nearest) =>
      exports.warpLabels(warp, pointer, row, plane, bytes, target, scratch, Number(nearest)),
    copyImage: (source, target, planes, rows, count, { float16 = false, line }, mirrored = false) => {
      const box = [source.pointer, source.row, source.plane, target.pointer, target.row, target.plane, planes, rows] as const;
      if (line !== undefined) exports.copyInt16(...box, count, Number(mirrored), line.scale, line.offset);
      else if (float16) exports.copyFloat16(...box, count, Number(mirrored));
      else if (mirrored) exports.mirrorBox(...box, count);
      else exports.copyBox(...box, 4 * count);
    },
    pickLabels: ({ pointer, row, plane }, target, size, indices) => exports.pickLabels(pointer, row, plane, target, ...size, ...indices),
    maskImage: (...task) => exports.maskImage(...task),
    replaceLabel: (...task) => exports.replaceLabel(...task),
  };
}

/** A tile's box of source voxels should stay in a core's second-level cache. */
const TILE_BOX_BYTES = 160 * 1024;
/** The box, after the places of a row of a tile and the neighbours of a voxel. */
export const WARP_SCRATCH_BYTES = 1024 + 16 + TILE_BOX_BYTES;
const LARGEST_TILE: Triple = [16, 16, 16];
/** The same for a single slice. */
const FLAT_TILE: Triple = [1, 64, 32];
/** Boxes reach so much further than the voxels of their tile lie apart: both neighbours, and rounding. */
const BOX_MARGIN = 4;
/** How many source voxels a tile touches along each axis, at most. */
function tileBox(matrix: readonly number[], tile: Triple): Triple {
  const reach = (axis: number): number => tile.reduce((sum, size, i) => sum + Math.abs(matrix[3 * axis + i]) * (size - 1), 0);
  return [0, 1, 2].map((axis) => Math.ceil(reach(axis)) + BOX_MARGIN) as Triple;
}

function boxBytes([depth, height, width]: Triple): number {
  return 4 * depth * height * (width + 8);
}

/** The largest tile whose box stays in the cache: the stronger a transform enlarges, the smaller its tiles. */
export function warpTile(matrix: readonly number[], size: Triple): Triple {
  const tile: Triple = size[0] === 1 ? [...FLAT_TILE] : [...LARGEST_TILE];
  for (const axis of [0, 1]) tile[axis] = Math.min(tile[axis], size[axis]);
  while (boxBytes(tileBox(matrix, tile)) > TILE_BOX_BYTES) {
    if (tile[2] > Math.max(tile[0], tile[1], 4)) tile[2] /= 2;
    else if (tile[0] > 1 && tile[0] >= tile[1]) tile[0] = Math.ceil(tile[0] / 2);
    else if (tile[1] > 1) tile[1] = Math.ceil(tile[1] / 2);
    else break;
  }
  return tile;
}
