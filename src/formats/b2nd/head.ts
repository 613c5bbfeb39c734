import { fstatSync } from 'node:fs';
import { Packr } from 'msgpackr/pack';
import { fileError, StoreError } from '../../common/errors.ts';
import { show, voxels } from '../../common/geometry.ts';
import { DTYPES } from '../npy.ts';
import { type OpenFile, readExactly } from '../read-exactly.ts';
import { decodeIndex, INDEX_HEAD_BYTES, MOST_CHUNKS } from './index-chunk.ts';
import { REMEDY } from './remedy.ts';

/** What a .b2nd file says of its array before any of its voxels is read. */
export interface B2ndHead {
  /** Of the array, of its chunks and of their blocks: nnU-Net's images and labels are [channel, z, y, x]. */
  shape: number[];
  chunkShape: number[];
  blockShape: number[];
  /** NumPy's name: "<f4", "<i2", "|u1", … */
  dtype: string;
  /** Bytes of an element. */
  typesize: number;
  /** Of a chunk and of a block, uncompressed and filled up at the borders: all are alike. */
  chunkBytes: number;
  blockBytes: number;
  fileBytes: number;
  /**
   * Of each chunk, in C order of their grid: where it begins in the file, in bytes; below 0 for one that is not stored, minus a number
   * of SPECIAL.
   */
  offsets: Float64Array;
  /** Where the last chunk ends in the file, and the index begins. */
  end: number;
  /** The header with its metalayers, and the index, as they are in the file: together with `fileBytes` they tell whether it changed. */
  headerBytes: Uint8Array;
  indexBytes: Uint8Array;
}

/** The largest block of some files: what reading them takes of memory. */
export interface LargestBlock {
  /** Uncompressed. */
  bytes: number;
  /** Blocks of older releases of nnU-Net hold all channels. */
  channels: number;
}

/** What is as large as any of them; null for none. */
export function largestBlock(blocks: readonly LargestBlock[]): LargestBlock | null {
  if (blocks.length === 0) return null;
  return { bytes: Math.max(...blocks.map(({ bytes }) => bytes)), channels: Math.max(...blocks.map(({ channels }) => channels)) };
}

export function blockOf({ blockBytes, blockShape }: Pick<B2ndHead, 'blockBytes' | 'blockShape'>): LargestBlock {
  return { bytes: blockBytes, channels: blockShape.length === 4 ? blockShape[0] : 1 };
}

/** The fixed part of a header: c-blosc2, README_CFRAME_FORMAT.rst. */
const FIXED_BYTES = 94;
/** What is read at once: nnU-Net's headers have 203 bytes. */
const FIRST_BYTES = 4096;
const LONGEST_HEADER = 16 * 1024 ** 2;
const LONGEST_AXES = 8;

const packr = new Packr({ useRecords: false, int64AsType: 'number' });

/**
 * Reads header, b2nd metalayer and index of chunks of an open .b2nd file, and checks every length against the file.
 * @throws StoreError naming `path` if it is damaged, or written in a way that is not read; FileError
 */
export function readB2ndHead(path: string, fd: number): B2ndHead {
  const file: OpenFile = { path, fd, remedy: REMEDY };
  const fileBytes = sizeOf(file);
  const header = readHeader(file, fileBytes);
  const [chunkBytes, blockBytes, typesize] = [58, 53, 48].map((at) => header.readInt32BE(at));
  const stored = Number(header.readBigInt64BE(39));
  const array = parseArray(path, header);
  const { shape, chunkShape, blockShape, dtype } = array;
  if (dtype in DTYPES && DTYPES[dtype as keyof typeof DTYPES] !== typesize)
    throw damaged(path, `its header says that elements have ${typesize} bytes, and that they are ${dtype}`);
  const filledUp = chunkShape.map((size, axis) => Math.ceil(size / blockShape[axis]) * blockShape[axis]);
  if (typesize < 1 || voxels(blockShape) * typesize !== blockBytes || voxels(filledUp) * typesize !== chunkBytes)
    throw damaged(
      path,
      `its header gives chunks ${show(chunkShape)} of blocks ${show(blockShape)}, in ${chunkBytes} and ${blockBytes} bytes, ${typesize} an element`,
    );
  const chunks = voxels(shape.map((size, axis) => Math.ceil(size / chunkShape[axis])));
  if (chunks > MOST_CHUNKS)
    throw new StoreError(path, `it has ${chunks} chunks, more than the ${MOST_CHUNKS} that are read`, 'Write it with larger chunks');
  const end = header.length + stored;
  if (stored < 0 || end + INDEX_HEAD_BYTES > fileBytes)
    throw damaged(path, `its header gives ${stored} bytes of chunks, more than its ${fileBytes} bytes have room for`);
  const index = decodeIndex(file, end, fileBytes, chunks);
  return {
    ...array,
    typesize,
    chunkBytes,
    blockBytes,
    fileBytes,
    offsets: placesOf(path, index.values, header.length, end),
    end,
    headerBytes: header,
    indexBytes: index.bytes,
  };
}

function damaged(path: string, what: string): StoreError {
  return new StoreError(path, what, REMEDY);
}

function sizeOf({ path, fd }: OpenFile): number {
  try {
    return fstatSync(fd).size;
  } catch (error) {
    throw fileError(path, error);
  }
}

/** The whole header, after a look at what kind of file it is. */
function readHeader(file: OpenFile, fileBytes: number): Buffer {
  const { path } = file;
  const first = Buffer.alloc(Math.min(FIRST_BYTES, fileBytes));
  readExactly(file, first, 0, first.length, 0);
  if (first.length < FIXED_BYTES || first[0] !== 0x9e || first.toString('latin1', 2, 10) !== 'b2frame\0')
    throw damaged(path, 'it is not a .b2nd file');
  const length = first.readInt32BE(11);
  const written = first.readBigUInt64BE(16);
  if (written !== BigInt(fileBytes)) throw damaged(path, `it holds ${fileBytes} bytes instead of ${written}`);
  const [flags, kind] = [first[25], first[26]];
  if ((flags & 0xc0) !== 0 || (flags & 0x30) !== 0x10 || (flags & 0x0f) > 2 || kind !== 0)
    throw new StoreError(
      path,
      `it is a Blosc2 frame of a form that is not read (flags ${flags}, type ${kind})`,
      'Write it with nnU-Net, or as a contiguous frame with `blosc2.asarray`',
    );
  if (length < FIXED_BYTES || length > Math.min(fileBytes, LONGEST_HEADER))
    throw damaged(path, `its header says that it is ${length} bytes long`);
  if (length <= first.length) return first.subarray(0, length);
  const header = Buffer.alloc(length);
  readExactly(file, header, 0, length, 0);
  return header;
}

/** The array that the metalayer "b2nd" describes: c-blosc2, README_B2ND_METALAYER.rst. */
function parseArray(path: string, header: Buffer): Pick<B2ndHead, 'shape' | 'chunkShape' | 'blockShape' | 'dtype'> {
  const fields = metalayer(path, header);
  if (fields === null) throw damaged(path, 'it holds no n-dimensional array (there is no metalayer b2nd)');
  const [, axes, shape, chunkShape, blockShape, , dtype] = fields;
  const sizes = [shape, chunkShape, blockShape];
  const known =
    typeof dtype === 'string' &&
    typeof axes === 'number' &&
    axes >= 1 &&
    axes <= LONGEST_AXES &&
    sizes.every((list) => Array.isArray(list) && list.length === axes && list.every((size) => Number.isSafeInteger(size) && size >= 1));
  if (!known || !Number.isSafeInteger(8 * voxels(shape as number[])))
    throw damaged(path, `its metalayer b2nd does not describe an array (${JSON.stringify(fields)})`);
  return { shape, chunkShape, blockShape, dtype } as Pick<B2ndHead, 'shape' | 'chunkShape' | 'blockShape' | 'dtype'>;
}

function metalayer(path: string, header: Buffer): unknown[] | null {
  try {
    const places: Record<string, unknown> = packr.unpack(header.subarray(91, 87 + header.readUInt16BE(89)));
    const at = places.b2nd;
    if (typeof at !== 'number') return null;
    // 0xc6, the length, and so many bytes.
    const fields: unknown = packr.unpack(header.subarray(at + 5, at + 5 + header.readUInt32BE(at + 1)));
    return Array.isArray(fields) ? fields : null;
  } catch (error) {
    throw damaged(path, `its metalayers cannot be read (${(error as Error).message})`);
  }
}

/** Values of the index count from the end of the header; those below 0 say what fills a chunk in their top byte. */
function placesOf(path: string, values: BigInt64Array, headerBytes: number, end: number): Float64Array {
  return Float64Array.from(values, (value, chunk) => {
    if (value < 0n) return -(Number((value >> 56n) & 7n) || 1);
    const offset = headerBytes + Number(value);
    if (offset >= end) throw damaged(path, `its index places chunk ${chunk} at byte ${offset}, after the last one`);
    return offset;
  });
}
