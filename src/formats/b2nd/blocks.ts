import { StoreError } from '../../common/errors.ts';
import { enter, resume, STAGE } from '../../common/progress.ts';
import type { SharedMemory, Strided } from '../../kernels/kernels.ts';
import { readExactly } from '../read-exactly.ts';
import type { B2ndArray } from './array.ts';
import { BlockDecoder } from './block.ts';
import { type ChunkHead, STREAM_HEAD_BYTES } from './chunk.ts';
import { type BlockPart, blocksOf, type Four, type FourBox } from './grid.ts';

/** Reading this much that nobody needs costs as much as another system call. */
const WORTHWHILE_GAP = 16 * 1024;
/** Compressed blocks up to this size together are read at once: they stay in a core's second-level cache until they are decoded. */
const READ_BYTES = 256 * 1024;

const align = (bytes: number): number => Math.ceil(bytes / 64) * 64;

/** For compressed blocks, one at least. */
function inputBytes(blockBytes: number): number {
  return align(Math.max(READ_BYTES, blockBytes + 255 * STREAM_HEAD_BYTES));
}

/** The scratch that reading blocks of `blockBytes` takes: what was read, and two areas to decode it in. */
export function blockScratchBytes(blockBytes: number): number {
  return inputBytes(blockBytes) + 2 * align(blockBytes);
}

/**
 * Gets the part of a box that lies in one block: where its first element is, and how far its channels are apart in bytes; its place in
 * the box; its size.
 */
export type TakePart = (from: Strided & { channel: number }, at: Four, size: Four) => void;

/** Reads boxes out of .b2nd files: decodes the blocks that they touch, one after the other, and no others. */
export class BlockReader {
  readonly #decoder: BlockDecoder;
  readonly #bytes: Uint8Array;
  readonly #scratchBytes: number;

  constructor(memory: SharedMemory, scratchBytes: number) {
    this.#decoder = new BlockDecoder(memory);
    this.#bytes = new Uint8Array(memory.buffer);
    this.#scratchBytes = scratchBytes;
  }

  /**
   * Hands over every part of `box`, which lies inside the array; a part is there until the next one.
   * @param scratch where `blockScratchBytes` of the file's blocks are free, 64-byte aligned
   * @throws StoreError if what is read is damaged, or written in a way that is not read; FileError
   */
  read(array: B2ndArray, box: FourBox, scratch: number, take: TakePart): void {
    const { blockBytes, typesize } = array.head;
    if (blockScratchBytes(blockBytes) > this.#scratchBytes)
      throw new StoreError(array.path, `its blocks have grown to ${blockBytes} bytes since the store was opened`, 'Open the store anew');
    for (const [number, parts] of blocksOf(array.grid, box)) {
      const chunk = array.chunk(number);
      if (chunk.special) {
        this.#decoder.fill(chunk, typesize, scratch, blockBytes);
        for (const part of parts) hand(array, scratch, part, take);
      } else this.#readChunk(array, number, chunk, parts, scratch, take);
    }
  }

  #readChunk(array: B2ndArray, number: number, chunk: ChunkHead, parts: BlockPart[], scratch: number, take: TakePart): void {
    const { path, head } = array;
    const { blockBytes, typesize, offsets } = head;
    const { starts, ends } = chunk;
    const room = inputBytes(blockBytes);
    const areas = [scratch + room, scratch + room + align(blockBytes)] as const;
    // In the order of the file.
    const order = parts.toSorted((a, b) => starts[a.block] - starts[b.block]);
    for (let next = 0; next < order.length; ) {
      const start = starts[order[next].block];
      let end = ends[order[next].block];
      let after = next + 1;
      for (; after < order.length; after++) {
        const { block } = order[after];
        if (starts[block] - end > WORTHWHILE_GAP || ends[block] - start > room) break;
        end = Math.max(end, ends[block]);
      }
      readExactly(array, this.#bytes, scratch, end - start, offsets[number] + start);
      for (; next < after; next++) {
        const { block } = order[next];
        const place = { source: scratch + starts[block] - start, length: ends[block] - starts[block] };
        const name = `chunk ${number}, block ${block}`;
        const task = { path, name, chunk, ...place, size: blockBytes, blockBytes, typesize, areas };
        const reading = enter(STAGE.decoding);
        const decoded = this.#decoder.decode(task);
        resume(reading);
        hand(array, decoded, order[next], take);
      }
    }
  }
}

function hand({ grid, head }: B2ndArray, block: number, { from, at, size }: BlockPart, take: TakePart): void {
  const [, depth, height, width] = grid.block;
  const row = width * head.typesize;
  const plane = height * row;
  const channel = depth * plane;
  const pointer = block + from[0] * channel + from[1] * plane + from[2] * row + from[3] * head.typesize;
  take({ pointer, row, plane, channel }, at, size);
}
