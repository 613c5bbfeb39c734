import { open } from 'node:fs/promises';
import { constants, gunzipSync } from 'node:zlib';
import { NIFTI1, type NIFTI2, readHeader } from 'nifti-reader-js';
import { CaseError, fileError } from '../common/errors.ts';
import { show, type Triple, voxels } from '../common/geometry.ts';
import { affineOf } from './nifti-affine.ts';

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

type Values = { readonly length: number; readonly [index: number]: number | bigint };
type ValuesConstructor = { new (buffer: ArrayBuffer, offset?: number, length?: number): Values; readonly BYTES_PER_ELEMENT: number };

const DATATYPES: Record<number, ValuesConstructor> = {
  [NIFTI1.TYPE_UINT8]: Uint8Array,
  [NIFTI1.TYPE_INT8]: Int8Array,
  [NIFTI1.TYPE_INT16]: Int16Array,
  [NIFTI1.TYPE_UINT16]: Uint16Array,
  [NIFTI1.TYPE_INT32]: Int32Array,
  [NIFTI1.TYPE_UINT32]: Uint32Array,
  [NIFTI1.TYPE_INT64]: BigInt64Array,
  [NIFTI1.TYPE_UINT64]: BigUint64Array,
  [NIFTI1.TYPE_FLOAT32]: Float32Array,
  [NIFTI1.TYPE_FLOAT64]: Float64Array,
};

/** Node counts the bytes of one read in 31 bits. */
const MOST_AT_ONCE = 1024 ** 3;
/** Enough for the header of either version, and for the beginning of a compressed file to hold that much. */
const HEAD_BYTES = 1024;
const COMPRESSED_HEAD_BYTES = 64 * 1024;
/** Where headers of version 1 and 2 say that extensions follow. */
const EXTENSION_FLAG = { first: 348, second: 540 };

/** ITK readers give a 2D image this many times its in-plane spacing along the missing axis, so that it is never resampled. */
const FLAT_SPACING = 999;

/**
 * Reads one `.nii` or `.nii.gz` file, every scalar datatype, both byte orders, with the header's scaling applied.
 * Values become float32, as in nnU-Net. A 2D image gets a leading axis of size 1.
 * @throws CaseError for contents that cannot be used, FileError for a file that cannot be read.
 */
export async function readNifti(path: string): Promise<NiftiVolume> {
  let bytes: Buffer;
  try {
    bytes = await readWhole(path);
  } catch (error) {
    throw fileError(path, error);
  }
  if (path.endsWith('.gz')) bytes = inflate(path, bytes);
  const header = parseHeader(path, bytes);
  const { shape, spacing } = geometry(path, header);
  return { path, data: decode(path, header, bytes, shape), shape, spacing, affine: affineOf(header) };
}

/** What the header of a file says, without its voxels. */
export interface NiftiHead {
  shape: Triple;
  spacing: Triple;
  voxelBytes: number;
  fileBytes: number;
}

/** Reads the first kilobytes of a file. @throws CaseError, FileError as `readNifti` does */
export async function readNiftiHead(path: string): Promise<NiftiHead> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read(Buffer.alloc(COMPRESSED_HEAD_BYTES), 0, COMPRESSED_HEAD_BYTES, 0);
    const start = buffer.subarray(0, bytesRead);
    // A flush instead of the end lets what is there be inflated though the rest is missing.
    const bytes = path.endsWith('.gz') ? gunzipSync(start, { finishFlush: constants.Z_SYNC_FLUSH }) : start;
    const header = parseHeader(path, bytes);
    return { ...geometry(path, header), voxelBytes: DATATYPES[header.datatypeCode]?.BYTES_PER_ELEMENT ?? 0, fileBytes: size };
  } catch (error) {
    throw fileError(path, error);
  }
}

/** `readFile` ends at 2 GiB. */
async function readWhole(path: string): Promise<Buffer> {
  await using file = await open(path, 'r');
  const bytes = Buffer.allocUnsafeSlow((await file.stat()).size);
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await file.read(bytes, done, Math.min(bytes.length - done, MOST_AT_ONCE), done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}

function inflate(path: string, bytes: Buffer): Buffer {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) {
    throw new CaseError(
      path,
      'the name ends in .gz but the contents are not gzip',
      'Compress it with gzip, or name it .nii and set "file_ending" accordingly',
    );
  }
  try {
    return gunzipSync(bytes);
  } catch (error) {
    throw new CaseError(path, `the gzip data are damaged or cut off (${(error as Error).message})`, 'Copy the file again from its source', {
      cause: error,
    });
  }
}

function parseHeader(path: string, bytes: Buffer): NIFTI1 | NIFTI2 {
  try {
    // The library wants an ArrayBuffer. Extensions are of no interest here, and would have to be in it whole.
    const head = Uint8Array.from(bytes.subarray(0, HEAD_BYTES));
    const flag = bytes.toString('latin1', 4, 7) === 'n+2' ? EXTENSION_FLAG.second : EXTENSION_FLAG.first;
    if (flag < head.length) head[flag] = 0;
    return readHeader(head.buffer);
  } catch (error) {
    throw new CaseError(path, 'it is not a single-file NIfTI image (no NIfTI header found)', 'Convert it to NIfTI (.nii or .nii.gz)', {
      cause: error,
    });
  }
}

function geometry(path: string, header: NIFTI1 | NIFTI2): { shape: Triple; spacing: Triple } {
  const axes = header.dims[0];
  const sizes = header.dims.slice(1, 1 + axes);
  if (axes < 2 || axes > 7 || sizes.some((size) => size < 1)) {
    throw new CaseError(path, `the header's dimensions ${show(header.dims)} make no image`, 'Write the file again with a valid header');
  }
  if (sizes.slice(3).some((size) => size > 1)) {
    throw new CaseError(
      path,
      `the image has ${axes} axes ${show(sizes)}, three are needed`,
      'Split it into one file per channel (CASE_0000, CASE_0001, …)',
    );
  }
  const flat = axes === 2;
  const shape: Triple = [flat ? 1 : sizes[2], sizes[1], sizes[0]];
  const inPlane = [header.pixDims[2], header.pixDims[1]].map(Math.abs);
  const spacing: Triple = [flat ? FLAT_SPACING * Math.max(...inPlane) : Math.abs(header.pixDims[3]), inPlane[0], inPlane[1]];
  if (spacing.some((size) => !Number.isFinite(size) || size <= 0)) {
    throw new CaseError(path, `the voxel spacing ${show(spacing)} is not positive`, 'Set the pixdim fields of its header');
  }
  return { shape, spacing };
}

function decode(path: string, header: NIFTI1 | NIFTI2, bytes: Buffer, shape: Triple): Float32Array {
  const Type = DATATYPES[header.datatypeCode];
  if (Type === undefined) {
    throw new CaseError(
      path,
      `its datatype code ${header.datatypeCode} is not a single real number per voxel`,
      'Convert it to a scalar datatype',
    );
  }
  const size = Type.BYTES_PER_ELEMENT;
  const expected = voxels(shape) * size;
  const found = bytes.length - header.vox_offset;
  if (found !== expected) {
    const relation = found < expected ? 'the file is cut off or the header is wrong' : 'the header is wrong or something follows the image';
    throw new CaseError(
      path,
      `the header announces ${expected} bytes of voxels ${show(shape)}, the file holds ${found}`,
      `Check the file: ${relation}`,
    );
  }
  const start = bytes.byteOffset + header.vox_offset;
  if (!header.littleEndian) swapBytes(bytes.subarray(header.vox_offset), size);
  // Usually the voxels are aligned where they lie; otherwise they need a copy.
  const aligned = start % size === 0;
  const values = aligned
    ? new Type(bytes.buffer as ArrayBuffer, start, voxels(shape))
    : new Type(Uint8Array.prototype.slice.call(bytes, header.vox_offset).buffer as ArrayBuffer);
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
