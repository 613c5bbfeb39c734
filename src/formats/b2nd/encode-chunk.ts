import { type Triple, triple, voxels } from '../../common/geometry.ts';
import { constants, zstdCompressSync } from '../../common/zlib.ts';
import { COMPRESS_SCRATCH_BYTES } from '../../kernels/compression.ts';
import { Areas, type KernelSpace, kernelSpace } from '../../kernels/kernel-space.ts';
import type { Division } from './block-shape.ts';
import { CODEC } from './chunk.ts';

/** The element types that are written. */
export const WRITTEN = { '<f4': Float32Array, '<f2': Float16Array, '<i2': Int16Array, '|i1': Int8Array } as const;

/** Channels of [z, y, x], and how they are stored. Narrower numbers than those of `dtype` are widened. */
export interface WrittenArray {
  channels: readonly (Float32Array | Float16Array | Int16Array | Int8Array)[];
  shape: Triple;
  dtype: keyof typeof WRITTEN;
  division: Division;
  /** Default: LZ4HC, as nnU-Net writes. */
  codec?: keyof typeof CODECS;
}

/** Blosc's numbers: of what compresses, and of the form of what comes out. */
const CODECS = { lz4hc: { number: 2, form: CODEC.lz4 }, zstd: { number: 5, form: CODEC.zstd } } as const;
/** What Blosc's level 5, that of nnU-Net, is for zstd. */
const ZSTD = { params: { [constants.ZSTD_c_compressionLevel]: 9 } };

/** Of a chunk, before the places of its blocks; of a block, before what it holds. */
const HEAD = 32;
const STREAM_HEAD = 4;

/**
 * Compresses chunks as nnU-Net has Blosc do it, by LZ4 or by zstd: each block one stream, shuffled or not (c-blosc2,
 * README_CHUNK_FORMAT.rst). It works in the thread's kernel space: no other chunk is compressed meanwhile.
 */
export class ChunkEncoder {
  /** Whether the first bytes of a block's elements are stored together, then the second ones, and so on. */
  readonly shuffle: boolean;
  readonly #array: WrittenArray;
  readonly #codec: (typeof CODECS)[keyof typeof CODECS];
  readonly #space: KernelSpace;
  readonly #typesize: number;
  readonly #blockBytes: number;
  readonly #grid: Triple;
  /** Areas of a block each, and the compressor's own. */
  readonly #plain: number;
  readonly #shuffled: number;
  readonly #packed: number;
  readonly #scratch: number;
  /** What lies in `#plain`. */
  readonly #block: Float32Array | Float16Array | Int16Array | Int8Array;

  constructor(array: WrittenArray, shuffle: boolean) {
    const { block, chunk } = array.division;
    this.#array = array;
    this.#codec = CODECS[array.codec ?? 'lz4hc'];
    this.shuffle = shuffle;
    this.#typesize = WRITTEN[array.dtype].BYTES_PER_ELEMENT;
    this.#blockBytes = voxels(block) * this.#typesize;
    this.#grid = triple((axis) => Math.ceil(chunk[axis] / block[axis]));
    const areas = new Areas();
    [this.#plain, this.#shuffled, this.#packed] = [
      areas.take(this.#blockBytes),
      areas.take(this.#blockBytes),
      areas.take(this.#blockBytes),
    ];
    this.#scratch = areas.take(COMPRESS_SCRATCH_BYTES);
    this.#space = kernelSpace(areas.end);
    this.#block = new WRITTEN[array.dtype](this.#space.buffer as unknown as ArrayBuffer, this.#plain, voxels(block));
  }

  /** Of every chunk, filled up at the borders. */
  get chunkBytes(): number {
    return voxels(this.#grid) * this.#blockBytes;
  }

  /** Blosc's number. */
  get codec(): number {
    return this.#codec.number;
  }

  get blockBytes(): number {
    return this.#blockBytes;
  }

  /** The chunk of a channel that begins at `start`; null if all of it is zero. */
  encode(channel: number, start: Triple): Uint8Array | null {
    const blocks = voxels(this.#grid);
    const parts: Uint8Array[] = [];
    const head = Buffer.alloc(HEAD + 4 * blocks);
    let end = head.length;
    for (let block = 0; block < blocks; block++) {
      this.#gather(channel, start, block);
      const part = this.#compress();
      head.writeInt32LE(end, HEAD + 4 * block);
      parts.push(part);
      end += part.length;
    }
    if (parts.every((part) => part.length === STREAM_HEAD)) return null;
    const raw = end > HEAD + this.chunkBytes;
    if (raw) end = HEAD + this.chunkBytes;
    const flags = (this.#codec.form << 5) | (raw ? 0x17 : 0x15);
    writeChunkHead(head, { flags, typesize: this.#typesize, bytes: this.chunkBytes, blockBytes: this.#blockBytes, end });
    head[16] = this.shuffle ? 1 : 0;
    head[22] = this.codec;
    return raw ? this.#raw(channel, start, head) : Buffer.concat([head, ...parts], end);
  }

  /** Where compressing makes it larger, a chunk holds its blocks as they are. */
  #raw(channel: number, start: Triple, head: Buffer): Uint8Array {
    const whole = new Uint8Array(HEAD + this.chunkBytes);
    whole.set(head.subarray(0, HEAD));
    for (let block = 0; block < voxels(this.#grid); block++) {
      this.#gather(channel, start, block);
      whole.set(this.#bytes(this.#plain, this.#blockBytes), HEAD + block * this.#blockBytes);
    }
    return whole;
  }

  #bytes(pointer: number, length: number): Uint8Array {
    return new Uint8Array(this.#space.buffer, pointer, length);
  }

  /** Puts the voxels of a block of a chunk together; outside of the chunk or the volume there are zeros. */
  #gather(channel: number, start: Triple, number: number): void {
    const { channels, shape, division } = this.#array;
    const [, rows, columns] = this.#grid;
    const place = [Math.floor(number / (rows * columns)), Math.floor(number / columns) % rows, number % columns];
    const lower = triple((axis) => start[axis] + place[axis] * division.block[axis]);
    const size = triple((axis) =>
      Math.max(0, Math.min(division.block[axis], shape[axis] - lower[axis], start[axis] + division.chunk[axis] - lower[axis])),
    );
    if (voxels(size) < this.#block.length) this.#block.fill(0);
    for (let z = 0; z < size[0]; z++) {
      for (let y = 0; y < size[1]; y++) {
        const from = ((lower[0] + z) * shape[1] + lower[1] + y) * shape[2] + lower[2];
        const to = (z * division.block[1] + y) * division.block[2];
        this.#block.set(channels[channel].subarray(from, from + size[2]), to);
      }
    }
  }

  /** The stream of the block that was put together: its length, and what it holds. */
  #compress(): Uint8Array {
    const { kernels } = this.#space;
    const length = this.#blockBytes;
    let from = this.#plain;
    if (this.shuffle) {
      kernels.shuffle(from, this.#shuffled, this.#block.length, this.#typesize);
      from = this.#shuffled;
    }
    const [first] = this.#bytes(from, 1);
    // Minus the byte that all are, and that this is meant.
    if (kernels.isRun(from, length)) return first === 0 ? stream(0) : stream(-first, Uint8Array.of(1));
    if (this.#codec === CODECS.zstd) {
      const content = zstdCompressSync(this.#bytes(from, length), ZSTD);
      return content.length < length ? stream(content.length, content) : stream(length, this.#bytes(from, length));
    }
    const packed = kernels.compressLz4(from, length, this.#packed, length - 1, this.#scratch);
    return packed === 0 ? stream(length, this.#bytes(from, length)) : stream(packed, this.#bytes(this.#packed, packed));
  }
}

function stream(length: number, content: Uint8Array = new Uint8Array()): Uint8Array {
  const bytes = Buffer.alloc(STREAM_HEAD + content.length);
  bytes.writeInt32LE(length);
  bytes.set(content, STREAM_HEAD);
  return bytes;
}

/** Version 5, the codec's version 1, then what is the chunk's own. Filters and special values stay 0. */
export function writeChunkHead(
  head: Buffer,
  { flags, typesize, bytes, blockBytes, end }: { flags: number; typesize: number; bytes: number; blockBytes: number; end: number },
): void {
  head.set([5, 1, flags, typesize]);
  head.writeInt32LE(bytes, 4);
  head.writeInt32LE(blockBytes, 8);
  head.writeInt32LE(end, 12);
}
