import { StoreError } from '../../common/errors.ts';
import { voxels } from '../../common/geometry.ts';
import { KERNEL_BYTES } from '../../kernels/kernels.ts';
import { type OpenFile, readExactly } from '../read-exactly.ts';
import { BlockDecoder } from './block.ts';
import { CHUNK_HEAD_BYTES, type ChunkHead, chunkHeadBytes, emptyChunk, parseChunk } from './chunk.ts';
import type { B2ndHead } from './head.ts';
import { REMEDY } from './remedy.ts';

const PAGE = 64 * 1024;
/** A block that is larger than this is no file of nnU-Net's, and would take three times as much memory. */
const LARGEST_BLOCK = 1024 ** 3;

/** A part of an array, decoded. */
interface DecodedBlock {
  /** Its first element, and its shape, border blocks cut off where the array ends. */
  origin: number[];
  extent: number[];
  /** All elements of the whole block in C order; valid until the next one is asked for. */
  bytes: Uint8Array;
}

/** Decodes every block of a file, in memory for a chunk and a block. @throws StoreError naming it, FileError */
export function* decodeBlocks(path: string, fd: number, head: B2ndHead): Generator<DecodedBlock> {
  const { shape, chunkShape, blockShape, blockBytes, typesize, offsets } = head;
  if (blockBytes > LARGEST_BLOCK) throw new StoreError(path, `its blocks hold ${blockBytes} bytes`, 'Write it with smaller blocks');
  const chunks = shape.map((size, axis) => Math.ceil(size / chunkShape[axis]));
  const blocks = chunkShape.map((size, axis) => Math.ceil(size / blockShape[axis]));
  const space = new Workspace(head);
  const file = { path, fd, remedy: REMEDY };
  for (let number = 0; number < offsets.length; number++) {
    const corner = place(number, chunks).map((at, axis) => at * chunkShape[axis]);
    const name = `chunk ${number}`;
    const chunk = readChunk(file, head, number, name);
    for (let block = 0; block < voxels(blocks); block++) {
      const inChunk = place(block, blocks).map((at, axis) => at * blockShape[axis]);
      const origin = inChunk.map((at, axis) => corner[axis] + at);
      const extent = origin.map((at, axis) => Math.min(blockShape[axis], shape[axis] - at, chunkShape[axis] - inChunk[axis]));
      // Chunks at the border are filled up with blocks of nothing.
      if (extent.some((size) => size <= 0)) continue;
      yield { origin, extent, bytes: space.decode(file, chunk, offsets[number], block, `${name}, block ${block},`, blockBytes, typesize) };
    }
  }
}

/** A whole array as the bytes of its elements in C order. @throws StoreError, FileError */
export function decodeArray(path: string, fd: number, head: B2ndHead): Uint8Array {
  const { shape, blockShape, typesize } = head;
  const dense = new Uint8Array(voxels(shape) * typesize);
  for (const { origin, extent, bytes } of decodeBlocks(path, fd, head)) {
    const row = (extent.at(-1) as number) * typesize;
    const rows = extent.slice(0, -1);
    for (let i = 0; i < voxels(rows); i++) {
      const at = place(i, rows);
      const from = index([...at, 0], blockShape) * typesize;
      const to = index([...at.map((step, axis) => origin[axis] + step), origin.at(-1) as number], shape) * typesize;
      dense.set(bytes.subarray(from, from + row), to);
    }
  }
  return dense;
}

function readChunk(file: OpenFile, head: B2ndHead, number: number, name: string): ChunkHead {
  const offset = head.offsets[number];
  if (offset < 0) return emptyChunk(-offset);
  const room = head.end - offset;
  if (room < CHUNK_HEAD_BYTES) throw new StoreError(file.path, `its ${name} is cut off`, REMEDY);
  const bytes = new Uint8Array(Math.min(room, chunkHeadBytes(head)));
  readExactly(file, bytes, 0, bytes.length, offset);
  return parseChunk(file.path, name, bytes, room, head);
}

/** Room for the compressed bytes of a block, and twice for what they become. */
class Workspace {
  readonly #bytes: Uint8Array;
  readonly #decoder: BlockDecoder;
  readonly #source: number;
  readonly #areas: [number, number];

  constructor({ blockBytes, typesize }: B2ndHead) {
    const area = Math.ceil(blockBytes / 64) * 64;
    // A stream is no longer than what it holds, but for its head.
    const compressed = Math.ceil((blockBytes + 8 * typesize) / 64) * 64;
    const pages = Math.ceil((KERNEL_BYTES + compressed + 2 * area) / PAGE);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.#bytes = new Uint8Array(memory.buffer);
    this.#decoder = new BlockDecoder(memory);
    this.#source = KERNEL_BYTES;
    this.#areas = [KERNEL_BYTES + compressed, KERNEL_BYTES + compressed + area];
  }

  decode(file: OpenFile, chunk: ChunkHead, offset: number, block: number, name: string, blockBytes: number, typesize: number): Uint8Array {
    const [area] = this.#areas;
    if (chunk.special) {
      this.#decoder.fill(chunk, typesize, area, blockBytes);
      return this.#bytes.subarray(area, area + blockBytes);
    }
    const length = chunk.ends[block] - chunk.starts[block];
    readExactly(file, this.#bytes, this.#source, length, offset + chunk.starts[block]);
    const task = { path: file.path, name, chunk, source: this.#source, length, size: blockBytes, blockBytes, typesize, areas: this.#areas };
    const decoded = this.#decoder.decode(task);
    return this.#bytes.subarray(decoded, decoded + blockBytes);
  }
}

/** The position of element `number` of a grid, C order. */
function place(number: number, grid: readonly number[]): number[] {
  const at: number[] = Array(grid.length);
  for (let axis = grid.length - 1; axis >= 0; axis--) {
    at[axis] = number % grid[axis];
    number = Math.floor(number / grid[axis]);
  }
  return at;
}

/** The other way round. */
function index(at: readonly number[], grid: readonly number[]): number {
  return at.reduce((sum, step, axis) => sum * grid[axis] + step, 0);
}
