import { open } from 'node:fs/promises';
import { CaseError, fileError } from '../common/errors.ts';
import { followingGzip, gunzip, gunzipStart } from './gunzip.ts';
import type { Dialect } from './nifti-affine.ts';
import { datatypeOf, isCompressed, readHead } from './nifti-head.ts';
import { oddScaling, scalingOf } from './nifti-scaling.ts';
import { type Decode, decodeValues, type LabelNumbers } from './values.ts';
import {
  asVolumes,
  checkMemory,
  cutOff,
  decodeChannels,
  following,
  MOST_AT_ONCE,
  readBytes,
  type Volume,
  type VolumeHead,
} from './volume.ts';

/**
 * Reads a `.nii` or `.nii.gz` file of one volume, every scalar datatype, both byte orders, with the header's scaling applied.
 * Values become float32, as in nnU-Net. A 2D image gets a leading axis of size 1. The header is believed first: of what is compressed,
 * no more is kept than it announces.
 * @throws CaseError for contents that cannot be used, FileError for a file that cannot be read, MemoryError.
 */
export async function readNifti(path: string, dialect: Dialect = 'itk'): Promise<Volume> {
  const [volume, ...more] = await readNiftiVolumes(path, dialect, decodeValues);
  if (more.length === 0) return volume;
  throw new CaseError(
    path,
    `it has four axes: ${1 + more.length} volumes along the last`,
    'Give one volume, or split it into one file each',
  );
}

/** The same for a file that may hold several volumes along its fourth axis. */
export async function readNiftiVolumes<T extends LabelNumbers>(path: string, dialect: Dialect, decode: Decode<T>): Promise<Volume<T>[]> {
  try {
    await using file = await open(path, 'r');
    const { header, ...head } = await readHead(path, file, dialect);
    checkMemory(path, head, isCompressed(path));
    const whole = await readBytes(file, head.fileBytes);
    const { bytes, odd } = isCompressed(path) ? await inflate(path, whole, head) : { bytes: whole, odd: [] };
    const { offset, voxelBytes, fileBytes } = head;
    if (!isCompressed(path) && fileBytes > offset + voxelBytes) odd.push(following(`${fileBytes - offset - voxelBytes} bytes`));
    const scaling = oddScaling(header, dialect);
    if (scaling !== null) odd.push(scaling);
    const image = bytes.subarray(offset, offset + voxelBytes);
    const stored = { Type: datatypeOf(path, header), littleEndian: header.littleEndian };
    return asVolumes(path, decodeChannels(image, head, stored, scalingOf(path, header, dialect), decode), head, odd);
  } catch (error) {
    throw fileError(path, error);
  }
}

/** In one piece, where it is as long as its header says. */
async function inflate(path: string, bytes: Buffer, head: VolumeHead): Promise<{ bytes: Buffer; odd: string[] }> {
  const expected = head.offset + head.voxelBytes;
  try {
    const chunkSize = Math.min(expected + 1, MOST_AT_ONCE);
    const { buffer, read } = gunzip(path, bytes, { maxOutputLength: expected, chunkSize });
    if (buffer.length < expected) throw cutOff(path, head, voxelBytesIn(buffer, head));
    return { bytes: buffer, odd: followingGzip(bytes, read) };
  } catch (error) {
    if (((error as Error).cause as NodeJS.ErrnoException | undefined)?.code !== 'ERR_BUFFER_TOO_LARGE') throw error;
    const start = await gunzipStart(path, bytes, expected);
    if (start.length < expected) throw cutOff(path, head, voxelBytesIn(start, head));
    return { bytes: start, odd: [following('further bytes')] };
  }
}

/** A file may end before its voxels begin. */
function voxelBytesIn({ length }: Buffer, { offset }: VolumeHead): string {
  return String(Math.max(length - offset, 0));
}
