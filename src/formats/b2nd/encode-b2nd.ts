import { type Triple, triple } from '../../common/geometry.ts';
import { ChunkEncoder, WRITTEN, type WrittenArray, writeChunkHead } from './encode-chunk.ts';

/** In place of where a chunk lies: it is all zeros, and lies nowhere. */
const ZEROS = 0x81n << 56n;
const LEVEL = 5;
/** What nnU-Net has Blosc note of its threads. */
const THREADS = [4, 1];
/** A chunk's head with no blocks after it. */
const HEAD = 32;

/**
 * An array as nnU-Net's own `.b2nd` files have it: a contiguous frame of Blosc2 with the metalayer of an n-dimensional array, axes
 * [channel, z, y, x], a channel a chunk (c-blosc2, README_CFRAME_FORMAT.rst, README_B2ND_METALAYER.rst). python-blosc2 reads it.
 * @returns the parts of the file
 */
export function encodeB2nd(array: WrittenArray): Uint8Array[] {
  const { encoder, middle } = chooseEncoder(array);
  const chunks: Uint8Array[] = [];
  const offsets: bigint[] = [];
  let bytes = 0;
  for (let channel = 0; channel < array.channels.length; channel++) {
    for (const start of chunkStarts(array)) {
      const known = channel === middle.channel && String(start) === String(middle.start);
      const chunk = known ? middle.chunk : encoder.encode(channel, start);
      offsets.push(chunk === null ? BigInt.asIntN(64, ZEROS) : BigInt(bytes));
      if (chunk === null) continue;
      chunks.push(chunk);
      bytes += chunk.length;
    }
  }
  const index = encodeIndex(offsets);
  const header = encodeHeader(array, encoder);
  const trailer = encodeTrailer();
  header.writeBigUInt64BE(BigInt(header.length + bytes + index.length + trailer.length), 16);
  header.writeBigInt64BE(BigInt(offsets.length * encoder.chunkBytes), 30);
  header.writeBigInt64BE(BigInt(bytes), 39);
  return [header, ...chunks, index, trailer];
}

/** In C order of their grid. */
function* chunkStarts({ shape, division: { chunk } }: WrittenArray): Generator<Triple> {
  for (let z = 0; z < shape[0]; z += chunk[0])
    for (let y = 0; y < shape[1]; y += chunk[1]) for (let x = 0; x < shape[2]; x += chunk[2]) yield [z, y, x];
}

/** A chunk, which may begin anywhere, and what became of it. */
interface Trial {
  channel: number;
  start: Triple;
  chunk: Uint8Array | null;
}

/**
 * Whether to shuffle: nnU-Net tries both on a chunk in the middle of each file (`_select_filter`). What was resampled becomes smaller by
 * it, whole numbers do not.
 */
function chooseEncoder(array: WrittenArray): { encoder: ChunkEncoder; middle: Trial } {
  const { channels, shape, division } = array;
  const start = triple((axis) => Math.floor((shape[axis] - division.chunk[axis]) / 2));
  const channel = Math.floor((channels.length - 1) / 2);
  const [plain, shuffled] = [false, true].map((shuffle) => {
    const encoder = new ChunkEncoder(array, shuffle);
    return { encoder, middle: { channel, start, chunk: encoder.encode(channel, start) } };
  });
  return (shuffled.middle.chunk?.length ?? 0) < (plain.middle.chunk?.length ?? 0) ? shuffled : plain;
}

function encodeHeader(
  { channels, shape, dtype, division }: WrittenArray,
  { shuffle, codec, chunkBytes, blockBytes }: ChunkEncoder,
): Buffer {
  const typesize = WRITTEN[dtype].BYTES_PER_ELEMENT;
  const layer = encodeMetalayer([channels.length, ...shape], [1, ...division.chunk], [1, ...division.block], dtype);
  const name = Buffer.from('b2nd');
  // The fixed part, the number of metalayers, their names and places, then themselves.
  const index = 94;
  const value = index + 1 + name.length + 5 + 3;
  const header = Buffer.alloc(value + 5 + layer.length);
  header.set([0x9e, 0xa8, ...Buffer.from('b2frame\0'), 0xd2], 0);
  header.writeInt32BE(header.length, 11);
  header[15] = 0xcf;
  // Version 2, offsets of 64 bits; contiguous; split by Blosc's own rule.
  header.set([0xa4, 0x12, 0, (LEVEL << 4) | codec, 2, 0xd3], 24);
  header[38] = 0xd3;
  for (const [at, number] of [
    [47, typesize],
    [52, blockBytes],
    [57, chunkBytes],
  ]) {
    header[at] = 0xd2;
    header.writeInt32BE(number, at + 1);
  }
  for (const [i, threads] of THREADS.entries()) {
    header[62 + 3 * i] = 0xd1;
    header.writeInt16BE(threads, 63 + 3 * i);
  }
  header.set([0xc2, 0xd8, 6, shuffle ? 1 : 0], 68);
  header[77] = codec;
  header.set([0x93, 0xcd], 87);
  header.writeUInt16BE(value - 3 - 87, 89);
  header.set([0xde, 0, 1, 0xa0 + name.length, ...name, 0xd2], 91);
  header.writeInt32BE(value, index + 1 + name.length + 1);
  header.set([0xdc, 0, 1, 0xc6], value - 3);
  header.writeUInt32BE(layer.length, value + 1);
  header.set(layer, value + 5);
  return header;
}

/** MessagePack, but always in the widths that Blosc expects at their places. */
function encodeMetalayer(shape: number[], chunk: number[], block: number[], dtype: string): Buffer {
  const long = Buffer.alloc(9, 0xd3);
  const wide = shape.map((size) => {
    long.writeBigInt64BE(BigInt(size), 1);
    return Buffer.from(long);
  });
  const int = (size: number): Buffer => {
    const bytes = Buffer.alloc(5, 0xd2);
    bytes.writeInt32BE(size, 1);
    return bytes;
  };
  const list = Buffer.of(0x90 + shape.length);
  const text = Buffer.alloc(5, 0xdb);
  text.writeUInt32BE(dtype.length, 1);
  return Buffer.concat([
    Buffer.of(0x97, 0, shape.length),
    list,
    ...wide,
    list,
    ...chunk.map(int),
    list,
    ...block.map(int),
    Buffer.of(0),
    text,
    Buffer.from(dtype),
  ]);
}

/** A chunk as any other, of int64: stored as they are, which its flags say, besides a codec and a filter that are not used. */
function encodeIndex(offsets: readonly bigint[]): Uint8Array {
  const length = 8 * offsets.length;
  const bytes = Buffer.alloc(HEAD + length);
  // Blosc does not even think of splitting what is smaller than a head.
  writeChunkHead(bytes, { flags: length < HEAD ? 0x07 : 0x17, typesize: 8, bytes: length, blockBytes: length, end: bytes.length });
  bytes[21] = 1;
  for (const [i, offset] of offsets.entries()) bytes.writeBigInt64LE(offset, HEAD + 8 * i);
  return bytes;
}

/** No metalayers of variable length, and no fingerprint. */
function encodeTrailer(): Uint8Array {
  const trailer = Buffer.alloc(35);
  trailer.set([0x94, 1, 0x93, 0xcd, 0, 6, 0xde, 0, 0, 0xdc, 0, 0, 0xce]);
  trailer.writeUInt32BE(trailer.length, 13);
  trailer[17] = 0xd8;
  return trailer;
}
