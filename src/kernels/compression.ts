/** `compressLz4` needs as much for its own use: the latest place of each hash of 16 bits, and the chains of the places before. */
export const COMPRESS_SCRATCH_BYTES = 4 * 2 ** 16 + 2 * 2 ** 16;

/** Kernels that compress blocks of Blosc files. Pointers are byte offsets into the memory; areas of one call are apart. */
export interface CompressionKernels {
  /**
   * Compresses `length` bytes as one LZ4 block, about as small as LZ4HC's level 5. Returns its bytes; 0 where they would be more than
   * `capacity`.
   * @param scratch COMPRESS_SCRATCH_BYTES, 16-byte aligned
   */
  compressLz4(source: number, length: number, target: number, capacity: number, scratch: number): number;
  /** Whether all of `length` bytes are the same. */
  isRun(pointer: number, length: number): boolean;
  /** Brings the first bytes of `count` elements together, then the second ones, and so on. */
  shuffle(source: number, target: number, count: number, bytes: number): void;
}

/** As they are compiled. */
interface Exports extends Omit<CompressionKernels, 'isRun'> {
  isRun(pointer: number, length: number): number;
}

export function bindCompression(compiled: unknown): CompressionKernels {
  const exports = compiled as Exports;
  return {
    compressLz4: (...task) => exports.compressLz4(...task),
    isRun: (...area) => exports.isRun(...area) === 1,
    shuffle: (...task) => exports.shuffle(...task),
  };
}
