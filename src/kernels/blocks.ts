/** Kernels that decode the blocks of Blosc files. Pointers are byte offsets into the memory; areas of one call are apart. */
export interface BlockKernels {
  /** Decodes `length` bytes of LZ4 to `size` bytes. Returns whether they are that; nothing outside of both areas is touched. */
  lz4(source: number, length: number, target: number, size: number): boolean;
  /** The same of BloscLZ. */
  blosclz(source: number, length: number, target: number, size: number): boolean;
  /** Undoes the byte shuffle of `length` bytes, elements of so many `bytes`. */
  unshuffle(source: number, target: number, length: number, bytes: number): void;
  /** Undoes the bit shuffle. */
  unshuffleBits(source: number, target: number, length: number, bytes: number): void;
  /** Undoes the byte delta of so many streams that lie one after the other, in place. */
  sumBytes(pointer: number, length: number, streams: number): void;
}

interface Exports {
  lz4(source: number, length: number, target: number, size: number): number;
  blosclz(source: number, length: number, target: number, size: number): number;
  unshuffle(source: number, target: number, length: number, bytes: number): void;
  unshuffleBits(source: number, target: number, length: number, bytes: number): void;
  sumBytes(pointer: number, length: number, streams: number): void;
}

export function bindBlocks(compiled: unknown): BlockKernels {
  const exports = compiled as Exports;
  return {
    lz4: (...areas) => exports.lz4(...areas) === 1,
    blosclz: (...areas) => exports.blosclz(...areas) === 1,
    unshuffle: (...task) => exports.unshuffle(...task),
    unshuffleBits: (...task) => exports.unshuffleBits(...task),
    sumBytes: (...task) => exports.sumBytes(...task),
  };
}
