import { open } from 'node:fs/promises';
import type { NIFTI1, NIFTI2 } from 'nifti-reader-js';
import { machineMemory, showBytes } from '../common/bytes.ts';
import { fileError, MemoryError } from '../common/errors.ts';
import { show, type Triple, voxels } from '../common/geometry.ts';
import { affineOf } from './nifti-affine.ts';
import { datatypeOf, gunzip, isCompressed, MOST_AT_ONCE, misannounced, type NiftiHead, readBytes, readHead } from './nifti-head.ts';

/** One NIfTI file as an array. */
export interface NiftiVolume {
  path: string;
  /** Scaled values in array order [z, y, x]: NIfTI stores x fastest, so the bytes need no reordering. */
  data: Float32Array;
  shape: Triple;
  /** Millimetres per voxel in array order, positive. */
  spacing: Triple;
  /** 4×4, voxel index (x, y, z, 1) to millimetres, rows first, as the file's header gives it. */
  affine: number[][];
}

/**
 * Reads one `.nii` or `.nii.gz` file, every scalar datatype, both byte orders, with the header's scaling applied.
 * Values become float32, as in nnU-Net. A 2D image gets a leading axis of size 1. The header is believed first: of what is compressed,
 * no more is inflated than it announces.
 * @throws CaseError for contents that cannot be used, FileError for a file that cannot be read, MemoryError.
 */
export async function readNifti(path: string): Promise<NiftiVolume> {
  try {
    await using file = await open(path, 'r');
    const { header, ...head } = await readHead(path, file);
    const { shape, spacing } = head;
    checkMemory(path, head);
    const whole = await readBytes(file, head.fileBytes);
    const bytes = isCompressed(path) ? inflate(path, whole, head) : whole;
    return { path, data: decode(path, header, bytes, head), shape, spacing, affine: affineOf(header) };
  } catch (error) {
    throw fileError(path, error);
  }
}

/** Refuses what no memory could hold: the file, inflated if it is compressed, and its voxels as float32. */
function checkMemory(path: string, { shape, fileBytes, offset, voxelBytes }: NiftiHead): void {
  const bytes = fileBytes + (isCompressed(path) ? offset + voxelBytes : 0) + 4 * voxels(shape);
  const limit = machineMemory();
  if (bytes > limit)
    throw new MemoryError(
      path,
      `reading its ${show(shape)} voxels takes ${showBytes(bytes)}, there are ${showBytes(limit)}`,
      'Check its header, or use a machine with more memory',
    );
}

/** In one piece, where it is as long as its header says. */
function inflate(path: string, bytes: Buffer, head: NiftiHead): Buffer {
  const expected = head.offset + head.voxelBytes;
  try {
    return gunzip(path, bytes, { maxOutputLength: expected, chunkSize: Math.min(expected + 1, MOST_AT_ONCE) });
  } catch (error) {
    if (((error as Error).cause as NodeJS.ErrnoException | undefined)?.code !== 'ERR_BUFFER_TOO_LARGE') throw error;
    throw misannounced(path, head, 'more', false);
  }
}

function decode(path: string, header: NIFTI1 | NIFTI2, bytes: Buffer, head: NiftiHead): Float32Array {
  const Type = datatypeOf(path, header);
  const size = Type.BYTES_PER_ELEMENT;
  const { shape, offset, voxelBytes } = head;
  if (bytes.length < offset + voxelBytes) throw misannounced(path, head, String(bytes.length - offset), true);
  const start = bytes.byteOffset + offset;
  if (!header.littleEndian) swapBytes(bytes.subarray(offset), size);
  // Usually the voxels are aligned where they lie; otherwise they need a copy.
  const aligned = start % size === 0;
  const values = aligned
    ? new Type(bytes.buffer as ArrayBuffer, start, voxels(shape))
    : new Type(Uint8Array.prototype.slice.call(bytes, offset).buffer as ArrayBuffer);
  const { scl_slope: slope, scl_inter: inter } = header;
  // A slope of 0 (or none at all) means "not scaled" in the NIfTI standard.
  const scaled = Number.isFinite(slope) && slope !== 0 && Number.isFinite(inter) && (slope !== 1 || inter !== 0);
  if (!scaled && values instanceof Float32Array) return values;
  const data = new Float32Array(values.length);
  for (let i = 0; i < data.length; i++) {
    const value = Number(values[i]);
    data[i] = scaled ? value * slope + inter : value;
  }
  return data;
}

function swapBytes(raw: Buffer, size: number): void {
  if (size === 2) raw.swap16();
  else if (size === 4) raw.swap32();
  else if (size === 8) raw.swap64();
}
