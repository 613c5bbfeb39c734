import { StoreError } from '../../common/errors.ts';
import { show } from '../../common/geometry.ts';
import { type OpenFile, readExactly } from '../read-exactly.ts';
import { type ChunkHead, chunkHeadBytes, emptyChunk, parseChunk } from './chunk.ts';
import type { Four, Grid } from './grid.ts';
import { type B2ndHead, readB2ndHead } from './head.ts';
import { REMEDY } from './remedy.ts';

/** An open .b2nd file whose array has up to four axes; missing ones are 1, and come first. */
export class B2ndArray implements OpenFile {
  readonly path: string;
  readonly fd: number;
  readonly remedy = REMEDY;
  readonly head: B2ndHead;
  readonly grid: Grid;
  /** The heads of chunks, as they are needed: they are as long as a system call takes, and boxes meet the same ones again. */
  readonly #chunks = new Map<number, ChunkHead>();

  /** @throws what `readB2ndHead` throws; StoreError for more axes */
  constructor(path: string, fd: number) {
    this.path = path;
    this.fd = fd;
    this.head = readB2ndHead(path, fd);
    const { shape, chunkShape, blockShape } = this.head;
    if (shape.length > 4) throw new StoreError(path, `it holds an array ${show(shape)} of more than four axes`, REMEDY);
    this.grid = { shape: four(shape), chunk: four(chunkShape), block: four(blockShape) };
  }

  /** @throws StoreError if its head is damaged, or written in a way that is not read */
  chunk(number: number): ChunkHead {
    const known = this.#chunks.get(number);
    if (known) return known;
    const chunk = this.#readChunk(number);
    this.#chunks.set(number, chunk);
    return chunk;
  }

  #readChunk(number: number): ChunkHead {
    const { offsets, end } = this.head;
    const offset = offsets[number];
    if (offset < 0) return emptyChunk(-offset);
    const room = end - offset;
    const bytes = new Uint8Array(Math.min(chunkHeadBytes(this.head), room));
    readExactly(this, bytes, 0, bytes.length, offset);
    return parseChunk(this.path, `chunk ${number}`, bytes, room, this.head);
  }
}

function four(sizes: readonly number[]): Four {
  return [...Array<number>(4 - sizes.length).fill(1), ...sizes] as Four;
}
