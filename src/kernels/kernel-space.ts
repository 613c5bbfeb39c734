import { bindKernels, KERNEL_BYTES, type Kernels } from './kernels.ts';

const PAGE_BYTES = 64 * 1024;
/** Enough for whatever is resampled, but for axes of many thousand voxels. */
const USUAL_BYTES = 5 * 1024 * 1024;
const ALIGNMENT = 16;

/** Kernels and the memory they work in. */
export interface KernelSpace {
  kernels: Kernels;
  buffer: SharedArrayBuffer;
}

let reserved: KernelSpace | undefined;

/** One for each thread, with at least `bytes`; its contents are whatever was left there. */
export function kernelSpace(bytes: number): KernelSpace {
  if (reserved === undefined || reserved.buffer.byteLength < bytes) {
    const pages = Math.ceil(Math.max(bytes, USUAL_BYTES) / PAGE_BYTES);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    reserved = { kernels: bindKernels(memory), buffer: memory.buffer };
  }
  return reserved;
}

/** Lays out areas one after the other in the part of the memory that is free. */
export class Areas {
  /** Bytes up to the end of the last area. */
  end = KERNEL_BYTES;

  /** The address of `bytes` more. */
  take(bytes: number): number {
    const start = this.end;
    this.end += Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    return start;
  }
}
