import { type FileHandle, open } from 'node:fs/promises';
import { constants } from 'node:zlib';
import { NIFTI1, type NIFTI2, readHeader } from 'nifti-reader-js';
import { CaseError, fileError } from '../common/errors.ts';
import { show, type Triple, voxels } from '../common/geometry.ts';
import { gunzip } from './gunzip.ts';
import { affineOf, type Dialect, millimetres } from './nifti-affine.ts';
import type { Numbers } from './nifti-values.ts';

type NumbersConstructor = { new (buffer: ArrayBuffer, offset?: number, length?: number): Numbers; readonly BYTES_PER_ELEMENT: number };

const DATATYPES: Record<number, NumbersConstructor> = {
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
export const MOST_AT_ONCE = 1024 ** 3;
/** Enough for the header of either version, and for the beginning of a compressed file to hold that much. */
const HEAD_BYTES = 1024;
const COMPRESSED_HEAD_BYTES = 16 * 1024;
/** Where headers of version 1 and 2 say that extensions follow. */
const EXTENSION_FLAG = { first: 348, second: 540 };

/** ITK readers give a 2D image this many times its in-plane spacing along the missing axis, so that it is never resampled. */
const FLAT_SPACING = 999;

/** What the header of a file says, without its voxels. */
export interface NiftiHead {
  shape: Triple;
  spacing: Triple;
  /** 4×4, voxel index (x, y, z, 1) to millimetres, rows first. */
  affine: number[][];
  /** Volumes of `shape`, one after the other along the fourth axis. */
  channels: number;
  /** Of all voxels, and of what lies before them. Both are what the file holds, inflated if it is compressed. */
  voxelBytes: number;
  offset: number;
  /** Of the file as it is. */
  fileBytes: number;
}

/** Reads the first kilobytes of a file. @throws CaseError, FileError as `readNifti` does */
export async function readNiftiHead(path: string, dialect: Dialect = 'itk'): Promise<NiftiHead> {
  try {
    await using file = await open(path, 'r');
    const { header: _, ...head } = await readHead(path, file, dialect);
    return head;
  } catch (error) {
    throw fileError(path, error);
  }
}

/** The first kilobyte of a file, inflated: its header and more. @throws CaseError, FileError */
export async function readNiftiStart(path: string): Promise<Buffer> {
  try {
    await using file = await open(path, 'r');
    return await readStart(path, file);
  } catch (error) {
    throw fileError(path, error);
  }
}

/** What `readNiftiHead` returns, and the header itself. */
export async function readHead(path: string, file: FileHandle, dialect: Dialect): Promise<NiftiHead & { header: NIFTI1 | NIFTI2 }> {
  const header = parseHeader(path, await readStart(path, file));
  const { shape, spacing, channels } = geometry(path, header, dialect);
  const affine = affineOf(header, dialect);
  if (affine === null)
    throw new CaseError(
      path,
      'the axes of its header are not at right angles, which ITK refuses',
      'Resample it, correct its sform, or name another reader in dataset.json: "overwrite_image_reader_writer": "NibabelIO"',
    );
  const { vox_offset: offset } = header;
  if (!Number.isSafeInteger(offset) || offset < EXTENSION_FLAG.first)
    throw new CaseError(path, `its header says that voxels begin at byte ${offset}`, 'Write the file again with a valid header');
  const voxelBytes = channels * voxels(shape) * datatypeOf(path, header).BYTES_PER_ELEMENT;
  const head = { shape, spacing, affine, channels, voxelBytes, offset, fileBytes: (await file.stat()).size };
  checkSize(path, head);
  return { header, ...head };
}

/** The most that deflate makes of a byte (zlib.net/zlib_tech.html). */
const MOST_INFLATED = 1032;

/** Refuses a header that the file cannot be as long as, before there is room for what it announces. What follows the image is no fault. */
function checkSize(path: string, head: NiftiHead): void {
  const { fileBytes, offset, voxelBytes } = head;
  const found = fileBytes - offset;
  if (!isCompressed(path) && found < voxelBytes) throw cutOff(path, head, `${found}`);
  if (isCompressed(path) && offset + voxelBytes > MOST_INFLATED * fileBytes) throw cutOff(path, head, 'fewer');
}

/** Of a file whose header says that it is longer. */
export function cutOff(path: string, { shape, channels, voxelBytes }: NiftiHead, found: string): CaseError {
  const sizes = channels > 1 ? [channels, ...shape] : shape;
  return new CaseError(
    path,
    `the header announces ${voxelBytes} bytes of voxels ${show(sizes)}, the file holds ${found}`,
    'Check the file: the file is cut off or the header is wrong',
  );
}

async function readStart(path: string, file: FileHandle): Promise<Buffer> {
  if (!isCompressed(path)) return readBytes(file, HEAD_BYTES);
  const start = await readBytes(file, COMPRESSED_HEAD_BYTES);
  // A flush instead of the end lets what is there be inflated though the rest was not read.
  return gunzip(path, start, start.length < COMPRESSED_HEAD_BYTES ? {} : { finishFlush: constants.Z_SYNC_FLUSH }).buffer;
}

/** At most `length` bytes from the beginning. `readFile` ends at 2 GiB. */
export async function readBytes(file: FileHandle, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length);
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await file.read(bytes, done, Math.min(bytes.length - done, MOST_AT_ONCE), done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}

export function isCompressed(path: string): boolean {
  return path.endsWith('.gz');
}

function parseHeader(path: string, bytes: Buffer): NIFTI1 | NIFTI2 {
  try {
    // The library wants an ArrayBuffer. Extensions are of no interest here, and would have to be in it whole.
    const head = Uint8Array.from(bytes.subarray(0, HEAD_BYTES));
    const second = bytes.toString('latin1', 4, 7) === 'n+2';
    const flag = second ? EXTENSION_FLAG.second : EXTENSION_FLAG.first;
    if (flag < head.length) head[flag] = 0;
    // With a qform of a higher code than the sform's, it would put the one in the place of the other.
    const code = second ? [344, 348] : [252, 254];
    const qform = Buffer.from(head.slice(...code));
    head.fill(0, ...code);
    const header = readHeader(head.buffer);
    const { littleEndian } = header;
    header.qform_code = littleEndian ? qform.readIntLE(0, qform.length) : qform.readIntBE(0, qform.length);
    return header;
  } catch (error) {
    throw new CaseError(path, 'it is not a single-file NIfTI image (no NIfTI header found)', 'Convert it to NIfTI (.nii or .nii.gz)', {
      cause: error,
    });
  }
}

function geometry(path: string, header: NIFTI1 | NIFTI2, dialect: Dialect): Pick<NiftiHead, 'shape' | 'spacing' | 'channels'> {
  const axes = header.dims[0];
  const sizes = header.dims.slice(1, 1 + axes);
  if (axes < 2 || axes > 7 || sizes.some((size) => size < 1)) {
    throw new CaseError(path, `the header's dimensions ${show(header.dims)} make no image`, 'Write the file again with a valid header');
  }
  const [channels = 1, ...more] = sizes.slice(3);
  if (more.some((size) => size > 1) || (channels > 1 && dialect === 'nibabel')) {
    const most = dialect === 'nibabel' ? 'nibabel readers of nnU-Net take three' : 'three are needed, or four with channels in the last';
    throw new CaseError(
      path,
      `the image has ${axes} axes ${show(sizes)}, ${most}`,
      'Split it into one file per channel (CASE_0000, CASE_0001, …)',
    );
  }
  const flat = axes === 2;
  const unit = millimetres(header, dialect);
  const shape: Triple = [flat ? 1 : sizes[2], sizes[1], sizes[0]];
  const [, width, height, depth] = header.pixDims.map((size) => Math.abs(size) * unit);
  const spacing: Triple = [flat ? FLAT_SPACING * Math.max(height, width) : depth, height, width];
  if (spacing.some((size) => !Number.isFinite(size) || size <= 0)) {
    throw new CaseError(path, `the voxel spacing ${show(spacing)} is not positive`, 'Set the pixdim fields of its header');
  }
  return { shape, spacing, channels };
}

/** @throws CaseError */
export function datatypeOf(path: string, { datatypeCode }: NIFTI1 | NIFTI2): NumbersConstructor {
  const Type = DATATYPES[datatypeCode];
  if (Type !== undefined) return Type;
  throw new CaseError(path, `its datatype code ${datatypeCode} is not a single real number per voxel`, 'Convert it to a scalar datatype');
}
