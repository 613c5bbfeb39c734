import { StoreError } from '../../common/errors.ts';
import { REMEDY } from './remedy.ts';

/** How chunks that are not stored voxel by voxel are filled, by Blosc's number. */
export const SPECIAL = { none: 0, zeros: 1, nan: 2, repeated: 3, uninitialised: 4 } as const;

/** Codecs by the number in the flags of a chunk. LZ4HC writes LZ4. */
export const CODEC = { blosclz: 0, lz4: 1, zlib: 3, zstd: 4 } as const;

/** Filters that are undone, by Blosc's number. What a truncation has cut off is gone: there is nothing to undo. */
export const FILTER = { none: 0, shuffle: 1, bitshuffle: 2, truncation: 4, bytedelta: 35 } as const;

/** What others are called, for messages. */
const CODEC_NAMES: Record<number, string> = { 2: 'Snappy' };
const FILTER_NAMES: Record<number, string> = { 3: 'delta', 32: 'ndcell', 33: 'ndmean', 36: 'int_trunc' };

/** Bytes of a chunk's head before the places of its blocks. */
export const CHUNK_HEAD_BYTES = 32;
/** Bytes a stream has before what it holds, at most. */
export const STREAM_HEAD_BYTES = 5;

/** What all chunks of a file have in common, in bytes. */
export interface ChunkSizes {
  /** Uncompressed. */
  chunkBytes: number;
  blockBytes: number;
  /** Of an element. */
  typesize: number;
}

/** A chunk of a Blosc2 file: how its blocks are compressed, and where they are. */
export interface ChunkHead {
  /** How it is filled, one of SPECIAL; with `none`, its blocks follow. */
  special: number;
  /** The element that a `repeated` one holds. */
  value: Uint8Array;
  /** Blocks lie there as they are. */
  raw: boolean;
  /** One of CODEC. */
  codec: number;
  /** Compressed apart, one after the other, in each whole block. */
  streams: number;
  /** In the order in which they were applied: one of FILTER, and its parameter. */
  filters: { filter: number; meta: number }[];
  /** Of each block: its first byte, and the one after its last, counted from the start of the chunk. */
  starts: Int32Array;
  ends: Int32Array;
}

/** A chunk that is known from the index alone. @param special one of SPECIAL */
export function emptyChunk(special: number): ChunkHead {
  const none = new Int32Array();
  return { special, value: new Uint8Array(), raw: false, codec: 0, streams: 1, filters: [], starts: none, ends: none };
}

/** Where a block's place stands in the head. */
export function chunkHeadBytes({ chunkBytes, blockBytes }: ChunkSizes): number {
  return CHUNK_HEAD_BYTES + 4 * Math.ceil(chunkBytes / blockBytes);
}

/**
 * Parses the first bytes of a chunk, `chunkHeadBytes` of them or as many as there are (c-blosc2, README_CHUNK_FORMAT.rst).
 * @param room from its start to the end of what the file has for chunks, in bytes
 * @param name for messages, "chunk 3"
 * @throws StoreError naming `path`
 */
export function parseChunk(path: string, name: string, head: Uint8Array, room: number, sizes: ChunkSizes): ChunkHead {
  const fail = (what: string): never => {
    throw new StoreError(path, `its ${name} ${what}`, REMEDY);
  };
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (head.length < CHUNK_HEAD_BYTES) fail('is cut off');
  const [flags, typesize, more, state] = [head[2], head[3], head[30], head[31]];
  if ((flags & 5) !== 5) fail('is of Blosc 1, which is not read');
  const [nbytes, blockBytes, stored] = [4, 8, 12].map((at) => view.getInt32(at, true));
  if (nbytes !== sizes.chunkBytes) fail(`says that it holds ${nbytes} bytes instead of ${sizes.chunkBytes}`);
  if (typesize !== sizes.typesize) fail(`says that its elements have ${typesize} bytes instead of ${sizes.typesize}`);
  if (stored < CHUNK_HEAD_BYTES || stored > room) fail(`says that it is ${stored} bytes long, where the file has ${room} for it`);
  const special = (state >> 4) & 7;
  if (special > SPECIAL.uninitialised) fail(`is filled in a way that is not known (${special})`);
  if (special !== SPECIAL.none) {
    const value = head.slice(CHUNK_HEAD_BYTES, CHUNK_HEAD_BYTES + typesize);
    if (special === SPECIAL.repeated && (value.length < typesize || stored < CHUNK_HEAD_BYTES + typesize)) fail('is cut off');
    return { ...emptyChunk(special), value };
  }
  // Of a special chunk it means nothing.
  if (blockBytes !== sizes.blockBytes) fail(`says that its blocks hold ${blockBytes} bytes instead of ${sizes.blockBytes}`);
  if (more & 1) fail('has blocks of different lengths, which are not read');
  if (state & 1) fail('is compressed with a dictionary, which is not read');
  if (state & 0x88) fail('is in a form that is not for files');

  const blocks = Math.ceil(nbytes / blockBytes);
  const raw = (flags & 2) !== 0;
  const codec = flags >> 5;
  if (!raw && !Object.values<number>(CODEC).includes(codec))
    fail(`is compressed by ${CODEC_NAMES[codec] ?? `the plug-in codec ${head[22]}`}, which is not read`);
  const filters = raw ? [] : Array.from(head.subarray(16, 22), (filter, slot) => ({ filter, meta: head[24 + slot] }));
  const strange = filters.find(({ filter }) => !Object.values<number>(FILTER).includes(filter));
  if (strange) fail(`was filtered by ${FILTER_NAMES[strange.filter] ?? `plug-in ${strange.filter}`}, which is not undone`);
  const streams = flags & 16 ? 1 : typesize;
  if (blockBytes % streams !== 0) fail(`is split into ${streams} streams, which its blocks of ${blockBytes} bytes are not`);
  const first = CHUNK_HEAD_BYTES + (raw ? 0 : 4 * blocks);
  if (raw) {
    if (stored < first + nbytes) fail('is cut off');
    const starts = Int32Array.from({ length: blocks }, (_, block) => first + block * blockBytes);
    return { ...emptyChunk(special), raw, starts, ends: starts.map((start) => Math.min(start + blockBytes, first + nbytes)) };
  }
  if (stored < first || head.length < first) fail('is cut off');
  const starts = Int32Array.from({ length: blocks }, (_, block) => view.getInt32(CHUNK_HEAD_BYTES + 4 * block, true));
  const wrong = starts.findIndex((start) => start < first || start >= stored);
  if (wrong >= 0) fail(`says that its block ${wrong} begins at byte ${starts[wrong]} of ${stored}`);
  const longest = blockBytes + streams * STREAM_HEAD_BYTES;
  const ends = nextStarts(starts, stored).map((end, block) => Math.min(end, starts[block] + longest));
  return { special, value: new Uint8Array(), raw, codec, streams, filters: filters.filter(({ filter }) => filter !== 0), starts, ends };
}

/** Blocks are stored as they were finished: each one ends where the next of the file begins. */
function nextStarts(starts: Int32Array, end: number): Int32Array {
  const order = Int32Array.from(starts.keys()).sort((a, b) => starts[a] - starts[b]);
  const ends = new Int32Array(starts.length);
  let next = end;
  for (let i = order.length - 1; i >= 0; i--) {
    // Only a damaged file has two blocks in one place.
    if (i < order.length - 1 && starts[order[i]] < starts[order[i + 1]]) next = starts[order[i + 1]];
    ends[order[i]] = next;
  }
  return ends;
}
