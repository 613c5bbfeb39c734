import { StoreError } from '../../common/errors.ts';
import { inflateSync, zstdDecompressSync } from '../../common/zlib.ts';
import { bindKernels, type Kernels, type SharedMemory } from '../../kernels/kernels.ts';
import { type ChunkHead, CODEC, FILTER, SPECIAL } from './chunk.ts';
import { REMEDY } from './remedy.ts';

/** A block on its way from its compressed bytes to its elements. Pointers are byte offsets into the decoder's memory. */
export interface BlockTask {
  /** For messages. */
  path: string;
  name: string;
  chunk: ChunkHead;
  /** Its compressed bytes. */
  source: number;
  length: number;
  /** Its size uncompressed, and that of a whole block: at the end of a chunk it may be smaller. */
  size: number;
  blockBytes: number;
  typesize: number;
  /** Two areas of `blockBytes`. */
  areas: readonly [number, number];
}

/** Decodes blocks of Blosc2 chunks inside one shared memory; what their bytes are, it stays in the areas that it is given. */
export class BlockDecoder {
  readonly #kernels: Kernels;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(memory: SharedMemory) {
    this.#kernels = bindKernels(memory);
    this.#bytes = new Uint8Array(memory.buffer);
    this.#view = new DataView(memory.buffer);
  }

  /** Returns where the elements lie then: in one of the areas, or where the block was. @throws StoreError */
  decode(task: BlockTask): number {
    const { chunk, source, length, size, areas } = task;
    if (chunk.raw) {
      if (length < size) throw damaged(task, 'is cut off');
      return source;
    }
    if (this.#isZero(task)) {
      this.#fill(areas[0], size, 0);
      return areas[0];
    }
    let at = this.#streams(task);
    for (const { filter, meta } of chunk.filters.toReversed()) {
      const bytes = meta || task.typesize;
      const other = at === areas[0] ? areas[1] : areas[0];
      if (filter === FILTER.bytedelta) this.#kernels.sumBytes(at, size, bytes);
      else if (filter === FILTER.bitshuffle) this.#kernels.unshuffleBits(at, other, size, bytes);
      else if (filter === FILTER.shuffle && bytes > 1) this.#kernels.unshuffle(at, other, size, bytes);
      else continue;
      if (filter !== FILTER.bytedelta) at = other;
    }
    return at;
  }

  /** Fills a block with what a special chunk holds. */
  fill(chunk: ChunkHead, typesize: number, pointer: number, size: number): void {
    const { special } = chunk;
    const value = special === SPECIAL.repeated ? chunk.value : special === SPECIAL.nan ? notANumber(typesize) : null;
    if (value === null) {
      this.#fill(pointer, size, 0);
      return;
    }
    this.#bytes.set(value, pointer);
    for (let done = value.length; done < size; done *= 2) this.#copy(pointer, pointer + done, Math.min(done, size - done));
  }

  /** Zeros are what every filter makes of zeros: most of an image's blocks around the body, and of labels. */
  #isZero({ chunk, source, length }: BlockTask): boolean {
    return chunk.streams === 1 && length >= 4 && this.#view.getInt32(source, true) === 0;
  }

  /** Decompresses the streams of a block. Returns where they lie, one after the other. */
  #streams(task: BlockTask): number {
    const { chunk, source, length, size, blockBytes, areas } = task;
    const count = size < blockBytes ? 1 : chunk.streams;
    const bytes = size / count;
    const end = source + length;
    let from = source;
    for (let stream = 0; stream < count; stream++) {
      const to = areas[0] + stream * bytes;
      if (end - from < 4) throw damaged(task, 'is cut off');
      const held = this.#view.getInt32(from, true);
      from += 4;
      if (held <= 0) {
        // Bytes that are all alike.
        if (held < -255) throw damaged(task, `is filled with ${-held}, which is no byte`);
        if (held < 0 && (from >= end || (this.#bytes[from++] & 1) === 0)) throw damaged(task, 'holds a run of an unknown kind');
        this.#fill(to, bytes, -held);
        continue;
      }
      if (held > bytes || held > end - from) throw damaged(task, `says that ${held} bytes follow, of ${Math.min(bytes, end - from)}`);
      if (held === bytes) {
        if (count === 1) return from;
        this.#copy(from, to, bytes);
      } else this.#decompress(task, from, held, to, bytes);
      from += held;
    }
    return areas[0];
  }

  /** By kernels: what typed arrays have for this is slow on shared memory. */
  #fill(pointer: number, bytes: number, value: number): void {
    this.#kernels.fillBox({ pointer, row: 0, plane: 0 }, 1, 1, bytes, value);
  }

  #copy(from: number, to: number, bytes: number): void {
    this.#kernels.copyBox({ pointer: from, row: 0, plane: 0 }, { pointer: to, row: 0, plane: 0 }, 1, 1, bytes);
  }

  #decompress(task: BlockTask, source: number, length: number, target: number, size: number): void {
    const { codec } = task.chunk;
    if (codec === CODEC.lz4 || codec === CODEC.blosclz) {
      const decode = codec === CODEC.lz4 ? this.#kernels.lz4 : this.#kernels.blosclz;
      if (!decode(source, length, target, size)) throw damaged(task, `is not what ${codec === CODEC.lz4 ? 'LZ4' : 'BloscLZ'} writes`);
      return;
    }
    const compressed = this.#bytes.subarray(source, source + length);
    // A chunk as long as what comes out saves zlib a second one.
    const options = { maxOutputLength: size, chunkSize: Math.max(size, 64) };
    let decoded: Uint8Array;
    try {
      decoded = codec === CODEC.zstd ? zstdDecompressSync(compressed, options) : inflateSync(compressed, options);
    } catch (error) {
      throw damaged(task, `cannot be decompressed (${(error as Error).message})`);
    }
    if (decoded.length !== size) throw damaged(task, `decompresses to ${decoded.length} bytes instead of ${size}`);
    this.#bytes.set(decoded, target);
  }
}

function damaged({ path, name }: BlockTask, what: string): StoreError {
  return new StoreError(path, `its ${name} ${what}`, REMEDY);
}

/** What NumPy's nan is, as bytes. */
function notANumber(typesize: number): Uint8Array | null {
  if (typesize === 4) return new Uint8Array(Float32Array.of(Number.NaN).buffer);
  return typesize === 8 ? new Uint8Array(Float64Array.of(Number.NaN).buffer) : null;
}
