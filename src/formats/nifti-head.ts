import { type FileHandle, open } from 'node:fs/promises';
import { constants } from 'node:zlib';
import { NIFTI1, type NIFTI2, readHeader } from 'nifti-reader-js';
import { CaseError, fileError } from '../common/errors.ts';
import { show, type Triple, voxels } from '../common/geometry.ts';
import { gunzip } from './gunzip.ts';
import { affineOf, type Dialect, millimetres } from './nifti-affine.ts';
import { checkAffine, checkSize, checkSpacing, FLAT_SPACING, type NumbersConstructor, readBytes, type VolumeHead } from './volume.ts';

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

/** Enough for the header of either version, and for the beginning of a compressed file to hold that much, as nearly always and always. */
const HEAD_BYTES = 1024;
const MOST_OFTEN_BYTES = 2 * 1024;
const COMPRESSED_HEAD_BYTES = 16 * 1024;
/** Where headers of version 1 and 2 say that extensions follow. */
const EXTENSION_FLAG = { first: 348, second: 540 };

/** Reads the first kilobytes of a file. @throws CaseError, FileError as `readNifti` does */
export async function readNiftiHead(path: string, dialect: Dialect = 'itk'): Promise<VolumeHead> {
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
export async function readHead(path: string, file: FileHandle, dialect: Dialect): Promise<VolumeHead & { header: NIFTI1 | NIFTI2 }> {
  const header = parseHeader(path, await readStart(path, file));
  const { shape, spacing, channels } = geometry(path, header, dialect);
  const affine = affineOf(header, dialect);
  if (affine === null)
    throw new CaseError(
      path,
      'the axes of its header are not at right angles, which ITK refuses',
      'Resample it, correct its sform, or name another reader in dataset.json: "overwrite_image_reader_writer": "NibabelIO"',
    );
  checkAffine(path, affine);
  const { vox_offset: offset } = header;
  if (!Number.isSafeInteger(offset) || offset < EXTENSION_FLAG.first)
    throw new CaseError(path, `its header says that voxels begin at byte ${offset}`, 'Write the file again with a valid header');
  const voxelBytes = channels * voxels(shape) * datatypeOf(path, header).BYTES_PER_ELEMENT;
  const head = { shape, spacing, affine, channels, voxelBytes, offset, fileBytes: (await file.stat()).size };
  checkSize(path, head, isCompressed(path));
  return { header, ...head };
}

async function readStart(path: string, file: FileHandle): Promise<Buffer> {
  if (!isCompressed(path)) return readBytes(file, HEAD_BYTES);
  const start = await readBytes(file, COMPRESSED_HEAD_BYTES);
  // A flush instead of the end lets what is there be inflated though the rest was not read.
  const cut = { finishFlush: constants.Z_SYNC_FLUSH };
  // Of small files, this is much of what takes time.
  const head = start.length > MOST_OFTEN_BYTES ? gunzip(path, start.subarray(0, MOST_OFTEN_BYTES), cut).buffer : start.subarray(0, 0);
  if (head.length >= HEAD_BYTES) return head;
  return gunzip(path, start, start.length < COMPRESSED_HEAD_BYTES ? {} : cut).buffer;
}

export function isCompressed(path: string): boolean {
  return path.toLowerCase().endsWith('.gz');
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

function geometry(path: string, header: NIFTI1 | NIFTI2, dialect: Dialect): Pick<VolumeHead, 'shape' | 'spacing' | 'channels'> {
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
  checkSpacing(path, spacing, 'Set the pixdim fields of its header');
  return { shape, spacing, channels };
}

/** @throws CaseError */
export function datatypeOf(path: string, { datatypeCode }: NIFTI1 | NIFTI2): NumbersConstructor {
  const Type = DATATYPES[datatypeCode];
  if (Type !== undefined) return Type;
  throw new CaseError(path, `its datatype code ${datatypeCode} is not a single real number per voxel`, 'Convert it to a scalar datatype');
}
