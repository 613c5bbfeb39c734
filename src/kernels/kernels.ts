import { readFileSync } from 'node:fs';
import { keepReplacedCode } from '../common/replaced-code.ts';
import { type BlockKernels, bindBlocks } from './blocks.ts';
import { bindCompression, type CompressionKernels } from './compression.ts';
import { bindIntensity, type IntensityKernels } from './intensity.ts';
import { bindSpatial, type SpatialKernels } from './spatial.ts';
import type { Strided } from './strided.ts';
import type { VoxelType } from './voxel-type.ts';

export type { Strided } from './strided.ts';
export type { Line, VoxelType } from './voxel-type.ts';

/** Rows of float32 in the shared memory: where they start, and how far apart they are, in bytes. */
export interface Rows {
  pointer: number;
  row: number;
}

/** Lines of samples in the shared memory and how to interpolate them. All areas are 16-byte aligned and apart. */
export interface LineTask {
  /** Side by side, a multiple of 4. */
  lines: number;
  /** Samples of a line now and then. */
  from: number;
  to: number;
  /** float32 [from][lines]. */
  source: number;
  /** float32 [to][lines]. */
  target: number;
  /** int32 [to]: the second of four samples that make a new one, from -1 to from - 1. */
  taps: number;
  /** float64 [to][4]: their weights. */
  weights: number;
  /** float32 [lines] each: what results are kept within. */
  lower: number;
  upper: number;
  /** float64 [from + 4][16], for the kernel's use. */
  scratch: number;
  /** Whether the weights are for the coefficients of the cubic B-spline through the samples instead of the samples. */
  spline: boolean;
}

/** A row of labels in the shared memory to be made of the four rows around it. All areas are 16-byte aligned and apart. */
export interface LabelTask {
  /** int16 [4][width]: lower and upper y of the lower z, then of the upper z; the width is a multiple of 8. */
  rows: number;
  width: number;
  /** int8 or int16 [count]. */
  target: number;
  count: number;
  /** Of a label of the target: 1 or 2. */
  bytes: number;
  /** int32 [count] each: the columns to the left and right of each new label. */
  lower: number;
  upper: number;
  /** int32 [count]: which of the two is the nearest. */
  near: number;
  /** float64 [count][2]: their weights. */
  weights: number;
  /** int32 [width], for the kernel's use. */
  scratch: number;
}

/** The compiled kernels, bound to one memory. Pointers are byte offsets into it. Nothing here allocates. */
export interface Kernels extends SpatialKernels, IntensityKernels, BlockKernels, CompressionKernels {
  /** Copies `planes` × `rows` × `bytes`; the areas must not overlap. */
  copyBox(source: Strided, target: Strided, planes: number, rows: number, bytes: number): void;
  /**
   * Copies labels of `type`, `count` a row, to int16; rows from their other end where `mirrored`. Strides may be negative, the areas must
   * not overlap. Returns bits of FOUND.
   */
  copyLabels(source: Strided, target: Strided, planes: number, rows: number, count: number, type: VoxelType, mirrored?: boolean): number;
  /** Sets every byte of `planes` × `rows` × `bytes` to `value`, 0 to 255. */
  fillBox(target: Strided, planes: number, rows: number, bytes: number, value: number): void;
  /**
   * The next 624 words of MT19937, of uint32 `state` [624], in the range from 0 to `max` by NumPy's masked rejection: those that remain
   * are at `target`, room for 625 int32. Returns how many.
   */
  drawBelow(state: number, max: number, target: number): number;
  /** Interpolates lines whose ends go on for ever; float64 inside. */
  resampleLines(task: LineTask): void;
  /** Makes a row of labels, each the one with the largest weight, in a tie that of the nearest column of row `nearRow` if it is tied. */
  resampleLabels(task: LabelTask, nearRow: number, rowWeights: readonly [number, number, number, number]): void;
  /** Transposes float32 [rows][columns] into [columns][rows]; the areas must not overlap. */
  transpose(source: Rows, target: Rows, rows: number, columns: number): void;
}

type BoxKernel = (
  source: number,
  sourceRow: number,
  sourcePlane: number,
  target: number,
  targetRow: number,
  targetPlane: number,
  planes: number,
  rows: number,
  count: number,
) => number;

/** The kernels as they are compiled. */
interface Exports {
  copyBox: BoxKernel;
  copyLabels(...labels: [...Parameters<BoxKernel>, bytes: number, mirrored: number, unsigned: number]): number;
  fillBox(target: number, row: number, plane: number, planes: number, rows: number, bytes: number, value: number): void;
  drawBelow(state: number, max: number, target: number): number;
  resampleLines(
    source: number,
    from: number,
    target: number,
    to: number,
    lines: number,
    taps: number,
    weights: number,
    lower: number,
    upper: number,
    scratch: number,
    spline: number,
  ): void;
  resampleLabels(
    rows: number,
    width: number,
    scratch: number,
    target: number,
    count: number,
    bytes: number,
    lower: number,
    upper: number,
    near: number,
    weights: number,
    nearRow: number,
    ...rowWeights: readonly [number, number, number, number]
  ): void;
  transpose(source: number, sourceRow: number, target: number, targetRow: number, rows: number, columns: number): void;
}

/** The kernels keep their constants below this address; everything from it on is free for the user of the memory. */
export const KERNEL_BYTES = 64 * 1024;

let compiled: WebAssembly.Module | undefined;

/** A `WebAssembly.Memory` that is shared, by what of it has a type wherever this package is used. */
export interface SharedMemory {
  readonly buffer: SharedArrayBuffer;
}

/** Binds the kernels to a shared memory whose maximum size is fixed. */
export function bindKernels(memory: SharedMemory): Kernels {
  if (compiled === undefined) {
    keepReplacedCode();
    compiled = new WebAssembly.Module(readFileSync(new URL('./kernels.wasm', import.meta.url)));
  }
  const exports = new WebAssembly.Instance(compiled, { env: { memory: memory as unknown as WebAssembly.Memory } })
    .exports as unknown as Exports;
  return {
    ...bindIntensity(exports),
    ...bindSpatial(exports, memory.buffer),
    ...bindBlocks(exports),
    ...bindCompression(exports),
    copyBox: (source, target, ...size) =>
      void exports.copyBox(source.pointer, source.row, source.plane, target.pointer, target.row, target.plane, ...size),
    copyLabels: (source, target, planes, rows, count, { bytesPerVoxel, unsigned = false }, mirrored = false) =>
      // biome-ignore format: one argument a line would hide the shape
      exports.copyLabels(source.pointer, source.row, source.plane, target.pointer, target.row, target.plane, planes, rows, count, bytesPerVoxel, Number(mirrored), Number(unsigned)),
    fillBox: (target, ...rest) => exports.fillBox(target.pointer, target.row, target.plane, ...rest),
    drawBelow: (...task) => exports.drawBelow(...task),
    resampleLines: ({ source, from, target, to, lines, taps, weights, lower, upper, scratch, spline }) =>
      exports.resampleLines(source, from, target, to, lines, taps, weights, lower, upper, scratch, Number(spline)),
    resampleLabels: ({ rows, width, scratch, target, count, bytes, lower, upper, near, weights }, nearRow, rowWeights) =>
      exports.resampleLabels(rows, width, scratch, target, count, bytes, lower, upper, near, weights, nearRow, ...rowWeights),
    transpose: (source, target, ...size) => exports.transpose(source.pointer, source.row, target.pointer, target.row, ...size),
  };
}
