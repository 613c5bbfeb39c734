import { type FileHandle, open } from 'node:fs/promises';
import { writeAtomic } from '../../common/atomic-file.ts';
import { CaseError, fileError } from '../../common/errors.ts';
import { inflateSync } from '../../common/zlib.ts';
import { ITK_ENDINGS } from '../endings.ts';
import { damaged, followingGzip, gunzip, gunzipStart, isGzip } from '../gunzip.ts';
import { type LabelVoxels, narrowed } from '../label-voxels.ts';
import { AS_STORED, type Decode, type DecodedValues, type LabelNumbers } from '../values.ts';
import {
  asVolumes,
  checkMemory,
  checkSize,
  cutOff,
  decodeChannels,
  following,
  MOST_AT_ONCE,
  readBytes,
  type Volume,
  type VolumeHead,
} from '../volume.ts';
import { encodeGipl, parseGipl } from './gipl.ts';
import { headOf, type ItkHeader, numbersIn } from './header.ts';
import { encodeMetaImage, parseMetaImage } from './meta-image.ts';
import { encodeNrrd, parseNrrd } from './nrrd.ts';

interface Format {
  parse(path: string, start: Buffer): ItkHeader;
  encode(voxels: LabelVoxels, header: ItkHeader): Uint8Array[];
}

const FORMATS: Record<(typeof ITK_ENDINGS)[number], Format> = {
  '.nrrd': { parse: parseNrrd, encode: encodeNrrd },
  '.mha': { parse: parseMetaImage, encode: encodeMetaImage },
  '.gipl': { parse: parseGipl, encode: encodeGipl },
};

/** Headers may hold much of their writers' own, but end somewhere. */
const HEADER_BYTES = 1024 ** 2;
/** zlib's own. */
const LEAST_CHUNK = 64;
/** A number in words takes two bytes at least: "0 ". */
const TEXT_BYTES = 2;

const formatOf = (path: string): Format =>
  FORMATS[ITK_ENDINGS.find((ending) => path.toLowerCase().endsWith(ending)) as (typeof ITK_ENDINGS)[number]];

/** Reads the header of an .nrrd, .mha or .gipl file, as SimpleITK does. @throws CaseError, FileError */
export async function readItkHead(path: string): Promise<VolumeHead> {
  try {
    await using file = await open(path, 'r');
    return (await readHead(path, file)).head;
  } catch (error) {
    throw fileError(path, error);
  }
}

/**
 * Reads an .nrrd, .mha or .gipl file, as SimpleITK does: every type of real numbers, both byte orders, compressed or not. A fourth axis is
 * one of channels. What SimpleITK overlooks is refused: compressed data that are damaged, and files that are cut off.
 * @throws CaseError for contents that cannot be used, FileError for a file that cannot be read, MemoryError.
 */
export async function readItkVolumes<T extends LabelNumbers>(path: string, decode: Decode<T>): Promise<Volume<T>[]> {
  try {
    await using file = await open(path, 'r');
    const { head, header } = await readHead(path, file);
    const { encoding, offset } = header;
    checkMemory(path, head, encoding !== 'raw');
    const bytes = (await readBytes(file, head.fileBytes)).subarray(offset);
    if (encoding === 'text') return asVolumes(path, decodeText(path, bytes, head, decode), head, []);
    const { image, odd } = encoding === 'raw' ? cut(bytes, head.voxelBytes) : await inflate(path, bytes, head);
    return asVolumes(path, decodeChannels(image, head, header, AS_STORED, decode), head, odd);
  } catch (error) {
    throw fileError(path, error);
  }
}

/**
 * Writes labels where an image lies, as SimpleITK does, compressed where the format can be.
 * @param image a file that `readItkVolumes` reads, of any of the formats
 * @throws CaseError, FileError
 */
export async function writeItkLabels(path: string, labels: Int16Array, image: string): Promise<void> {
  const { sizes, spacing, origin, directions, ...rest } = await readItkHeader(image);
  // An image may have channels along a fourth axis.
  const three = <T>(values: readonly T[]): T[] => values.slice(0, 3);
  const header = { ...rest, sizes: three(sizes), spacing: three(spacing), origin: three(origin), directions: three(directions).map(three) };
  await writeAtomic(path, formatOf(path).encode(narrowed(labels), header));
}

async function readItkHeader(path: string): Promise<ItkHeader> {
  try {
    await using file = await open(path, 'r');
    return (await readHead(path, file)).header;
  } catch (error) {
    throw fileError(path, error);
  }
}

async function readHead(path: string, file: FileHandle): Promise<{ head: VolumeHead; header: ItkHeader }> {
  const { size } = await file.stat();
  const header = formatOf(path).parse(path, await readBytes(file, Math.min(size, HEADER_BYTES)));
  const head = headOf(path, header, size);
  const { encoding, Type } = header;
  const stored = encoding === 'text' ? { ...head, voxelBytes: (TEXT_BYTES * head.voxelBytes) / Type.BYTES_PER_ELEMENT - 1 } : head;
  checkSize(path, stored, encoding === 'deflate');
  return { head, header };
}

function cut(bytes: Buffer, length: number): { image: Buffer; odd: string[] } {
  return { image: bytes.subarray(0, length), odd: bytes.length > length ? [following(`${bytes.length - length} bytes`)] : [] };
}

/** In one piece. What a stream or a file has beyond what the header announces is left out, as ITK does. */
async function inflate(path: string, bytes: Buffer, head: VolumeHead): Promise<{ image: Buffer; odd: string[] }> {
  const expected = head.voxelBytes;
  const options = { maxOutputLength: expected, chunkSize: Math.min(Math.max(expected + 1, LEAST_CHUNK), MOST_AT_ONCE) };
  try {
    const { buffer: image, read } = isGzip(bytes)
      ? gunzip(path, bytes, options)
      : { buffer: inflateSync(bytes, options), read: bytes.length };
    if (image.length < expected) throw cutOff(path, head, String(image.length));
    return { image, odd: followingGzip(bytes, read) };
  } catch (error) {
    const cause = error instanceof CaseError ? error.cause : error;
    if ((cause as NodeJS.ErrnoException | undefined)?.code !== 'ERR_BUFFER_TOO_LARGE')
      throw error instanceof CaseError ? error : damaged(path, error as Error);
    const start = await gunzipStart(path, bytes, expected);
    if (start.length < expected) throw cutOff(path, head, String(start.length));
    return { image: start, odd: [following('further bytes')] };
  }
}

function decodeText<T extends LabelNumbers>(path: string, bytes: Buffer, head: VolumeHead, decode: Decode<T>): DecodedValues<T>[] {
  const numbers = numbersIn(bytes.toString('latin1'));
  const count = head.shape[0] * head.shape[1] * head.shape[2];
  if (numbers.length < count * head.channels) throw cutOff(path, head, `${numbers.length} numbers`);
  return Array.from({ length: head.channels }, (_, i) => decode(Float64Array.from(numbers.slice(i * count, (i + 1) * count)), AS_STORED));
}
