import { readFileSync } from 'node:fs';

/** A box of voxels inside the shared memory: where it starts, and how far apart its rows and planes are, in bytes. */
export interface Strided {
  pointer: number;
  row: number;
  plane: number;
}

/** The compiled kernels, bound to one memory. Pointers are byte offsets into it. Nothing here allocates. */
export interface Kernels {
  /** Copies `planes` × `rows` × `bytes`; the areas must not overlap. */
  copyBox(source: Strided, target: Strided, planes: number, rows: number, bytes: number): void;
  /** Copies int16 labels, `count` a row. Returns whether any is foreground (above 0). */
  copyLabels(source: Strided, target: Strided, planes: number, rows: number, count: number): boolean;
  /** The same from int8 labels to int16. */
  widenLabels(source: Strided, target: Strided, planes: number, rows: number, count: number): boolean;
  /** Sets every byte of `planes` × `rows` × `bytes` to `value`, 0 to 255. */
  fillBox(target: Strided, planes: number, rows: number, bytes: number, value: number): void;
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

type FillKernel = (target: number, row: number, plane: number, planes: number, rows: number, bytes: number, value: number) => void;

/** The kernels keep their constants below this address; everything from it on is free for the user of the memory. */
export const KERNEL_BYTES = 64 * 1024;

let compiled: WebAssembly.Module | undefined;

/** Binds the kernels to a shared memory whose maximum size is fixed. */
export function bindKernels(memory: WebAssembly.Memory): Kernels {
  compiled ??= new WebAssembly.Module(readFileSync(new URL('./kernels.wasm', import.meta.url)));
  const exports = new WebAssembly.Instance(compiled, { env: { memory } }).exports as Record<
    Exclude<keyof Kernels, 'fillBox'>,
    BoxKernel
  > & {
    fillBox: FillKernel;
  };
  const call = (kernel: BoxKernel, source: Strided, target: Strided, planes: number, rows: number, count: number): number =>
    kernel(source.pointer, source.row, source.plane, target.pointer, target.row, target.plane, planes, rows, count);
  return {
    copyBox: (...box) => void call(exports.copyBox, ...box),
    copyLabels: (...box) => call(exports.copyLabels, ...box) !== 0,
    fillBox: (target, ...rest) => exports.fillBox(target.pointer, target.row, target.plane, ...rest),
    widenLabels: (...box) => call(exports.widenLabels, ...box) !== 0,
  };
}
