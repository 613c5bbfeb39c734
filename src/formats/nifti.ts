import { open } from 'node:fs/promises';
import type { NIFTI1, NIFTI2 } from 'nifti-reader-js';
import { machineMemory, showBytes } from '../common/bytes.ts';
import { CaseError, fileError, MemoryError } from '../common/errors.ts';
import { show, type Triple, voxels } from '../common/geometry.ts';
import { gunzip, gunzipStart } from './gunzip.ts';
import type { Dialect } from './nifti-affine.ts';
import { cutOff, datatypeOf, isCompressed, MOST_AT_ONCE, type NiftiHead, readBytes, readHead } from './nifti-head.ts';
import { type DecodedValues, decodeValues, oddScaling, scalingOf } from './nifti-values.ts';

/** One volume of a NIfTI file as an array. */
export interface NiftiVolume extends DecodedValues {
  path: string;
  /** Scaled values in array order [z, y, x]: NIfTI stores x fastest, so the bytes need no reordering. */
  data: Float32Array;
  shape: Triple;
  /** Millimetres per voxel in array order, positive. */
  spacing: Triple;
  /** 4×4, voxel index (x, y, z, 1) to millimetres, rows first. */
  affine: number[][];
  /** What is odd about the file, and what was made of it: a clause each. */
  odd: string[];
}

/**
 * Reads a `.nii` or `.nii.gz` file of one volume, every scalar datatype, both byte orders, with the header's scaling applied.
 * Values become float32, as in nnU-Net. A 2D image gets a leading axis of size 1. The header is believed first: of what is compressed,
 * no more is inflated than it announces.
 * @throws CaseError for contents that cannot be used, FileError for a file that cannot be read, MemoryError.
 */
export async function readNifti(path: string, dialect: Dialect = 'itk'): Promise<NiftiVolume> {
  const [volume, ...more] = await readNiftiVolumes(path, dialect);
  if (more.length === 0) return volume;
  throw new CaseError(
    path,
    `it has four axes: ${1 + more.length} volumes along the last`,
    'Give one volume, or split it into one file each',
  );
}

/** The same for a file that may hold several volumes along its fourth axis. */
export async function readNiftiVolumes(path: string, dialect: Dialect = 'itk'): Promise<NiftiVolume[]> {
  try {
    await using file = await open(path, 'r');
    const { header, ...head } = await readHead(path, file, dialect);
    checkMemory(path, head);
    const whole = await readBytes(file, head.fileBytes);
    const { bytes, odd } = isCompressed(path) ? await inflate(path, whole, head) : { bytes: whole, odd: [] };
    const { shape, spacing, affine, offset, voxelBytes, fileBytes } = head;
    if (!isCompressed(path) && fileBytes > offset + voxelBytes) odd.push(following(`${fileBytes - offset - voxelBytes} bytes`));
    const scaling = oddScaling(header, dialect);
    if (scaling !== null) odd.push(scaling);
    return decode(path, header, bytes, head, dialect).map((values, i) => ({
      ...values,
      path,
      shape: [...shape],
      spacing: [...spacing],
      affine: affine.map((row) => [...row]),
      odd: i === 0 ? odd : [],
    }));
  } catch (error) {
    throw fileError(path, error);
  }
}

/** Refuses what no memory could hold: the file, inflated if it is compressed, and its voxels as float32. */
function checkMemory(path: string, { shape, channels, fileBytes, offset, voxelBytes }: NiftiHead): void {
  const bytes = fileBytes + (isCompressed(path) ? offset + voxelBytes : 0) + 4 * channels * voxels(shape);
  const limit = machineMemory();
  if (bytes > limit)
    throw new MemoryError(
      path,
      `reading its ${show(shape)} voxels takes ${showBytes(bytes)}, there are ${showBytes(limit)}`,
      'Check its header, or use a machine with more memory',
    );
}

const following = (what: string): string => `${what} follow the image: left out`;

/** In one piece, where it is as long as its header says. */
async function inflate(path: string, bytes: Buffer, head: NiftiHead): Promise<{ bytes: Buffer; odd: string[] }> {
  const expected = head.offset + head.voxelBytes;
  try {
    const chunkSize = Math.min(expected + 1, MOST_AT_ONCE);
    const { buffer, read } = gunzip(path, bytes, { maxOutputLength: expected, chunkSize });
    if (buffer.length < expected) throw cutOff(path, head, String(buffer.length - head.offset));
    return { bytes: buffer, odd: read < bytes.length ? [`${bytes.length - read} bytes follow the gzip data: left out`] : [] };
  } catch (error) {
    if (((error as Error).cause as NodeJS.ErrnoException | undefined)?.code !== 'ERR_BUFFER_TOO_LARGE') throw error;
    return { bytes: await gunzipStart(bytes, expected), odd: [following('further bytes')] };
  }
}

function decode(path: string, header: NIFTI1 | NIFTI2, bytes: Buffer, head: NiftiHead, dialect: Dialect): DecodedValues[] {
  const Type = datatypeOf(path, header);
  const size = Type.BYTES_PER_ELEMENT;
  const { shape, channels, offset, voxelBytes } = head;
  const image = bytes.subarray(offset, offset + voxelBytes);
  if (!header.littleEndian) swapBytes(image, size);
  // Usually the voxels are aligned where they lie; otherwise they need a copy.
  const { buffer, byteOffset } = image.byteOffset % size === 0 ? image : Uint8Array.prototype.slice.call(image);
  const scaling = scalingOf(path, header, dialect);
  const count = voxels(shape);
  return Array.from({ length: channels }, (_, channel) =>
    decodeValues(new Type(buffer as ArrayBuffer, byteOffset + channel * count * size, count), scaling, dialect),
  );
}

function swapBytes(raw: Buffer, size: number): void {
  if (size === 2) raw.swap16();
  else if (size === 4) raw.swap32();
  else if (size === 8) raw.swap64();
}
