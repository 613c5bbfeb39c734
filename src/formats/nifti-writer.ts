import { NIFTI1 } from 'nifti-reader-js';
import { writeAtomic } from '../common/atomic-file.ts';
import type { Triple } from '../common/geometry.ts';
import { gzipSync } from '../common/zlib.ts';
import { readNiftiStart } from './nifti-head.ts';

/** Where the two versions of NIfTI keep what voxels of another kind change, in bytes. */
const FIRST = { size: 348, dims: 40, datatype: 70, bits: 72, offset: 108, slope: 112, inter: 116, calibration: [124, 128], wide: false };
const SECOND = { size: 540, dims: 16, datatype: 12, bits: 14, offset: 168, slope: 176, inter: 184, calibration: [192, 200], wide: true };
const MILLIMETRES = 2;
/** "Coordinates from the scanner": what the matrix leads to. */
const SCANNER = 1;

export type Voxels = Float32Array | Int16Array | Uint8Array;

/** One volume as the bytes of a `.nii.gz` file, see `niftiBytes`. */
export function encodeNifti(data: Voxels, shape: Triple, affine: readonly (readonly number[])[]): Uint8Array {
  return gzipSync(niftiBytes(data, shape, affine));
}

/**
 * One volume as the bytes of a `.nii` file: float32, int16 or uint8, little endian.
 * @param data [z, y, x]
 * @param affine 4×4, voxel index (x, y, z, 1) to millimetres, rows first
 */
export function niftiBytes(data: Voxels, [depth, height, width]: Triple, affine: readonly (readonly number[])[]): Uint8Array {
  const header = new NIFTI1();
  header.littleEndian = true;
  header.dims = [3, width, height, depth, 1, 1, 1, 1];
  header.pixDims = [1, ...[0, 1, 2].map((column) => Math.hypot(...[0, 1, 2].map((row) => affine[row][column]))), 0, 0, 0, 0];
  header.xyzt_units = MILLIMETRES;
  header.sform_code = SCANNER;
  header.affine = affine.map((row) => [...row]);
  header.magic = 'n+1';
  return withVoxels(Buffer.from(header.toArrayBuffer()), data);
}

/**
 * Writes labels as NIfTI in the geometry of an image: its header is taken over, so that nothing about its place can change. One byte a
 * voxel where the labels fit.
 * @param image a file that `readNifti` reads
 * @param path ends in .nii or .nii.gz
 * @throws FileError
 */
export async function writeLabels(path: string, labels: Int16Array, image: string): Promise<void> {
  const bytes = await readNiftiStart(image);
  const fits = labels.every((label) => label >= 0 && label < 256);
  const whole = withVoxels(bytes, fits ? Uint8Array.from(labels) : labels);
  await writeAtomic(path, [path.endsWith('.gz') ? gzipSync(whole) : whole]);
}

/** A file with the header that `bytes` begin with, in its version and byte order, and these voxels as they are: no scale, no extensions. */
function withVoxels(bytes: Buffer, data: Voxels): Buffer {
  const fields = bytes.toString('latin1', 4, 7) === 'n+2' ? SECOND : FIRST;
  const little = bytes.readInt32LE(0) === fields.size;
  // Four bytes after the header say that no extensions follow.
  const head = Buffer.alloc(fields.size + 4);
  bytes.copy(head, 0, 0, fields.size);
  const view = new DataView(head.buffer, head.byteOffset);
  const number = (at: number, value: number): void =>
    fields.wide ? view.setFloat64(at, value, little) : view.setFloat32(at, value, little);
  // One volume: an image may have channels along a fourth axis.
  if (fields.wide) {
    if (view.getBigInt64(fields.dims, little) > 3n) view.setBigInt64(fields.dims, 3n, little);
    for (const axis of [4, 5, 6, 7]) view.setBigInt64(fields.dims + 8 * axis, 1n, little);
  } else {
    if (view.getInt16(fields.dims, little) > 3) view.setInt16(fields.dims, 3, little);
    for (const axis of [4, 5, 6, 7]) view.setInt16(fields.dims + 2 * axis, 1, little);
  }
  view.setInt16(fields.datatype, codeOf(data), little);
  view.setInt16(fields.bits, 8 * data.BYTES_PER_ELEMENT, little);
  if (fields.wide) view.setBigInt64(fields.offset, BigInt(head.length), little);
  else view.setFloat32(fields.offset, head.length, little);
  number(fields.slope, 1);
  number(fields.inter, 0);
  for (const at of fields.calibration) number(at, 0);
  // A copy: its bytes may be swapped.
  const voxels = Buffer.from(data.slice().buffer);
  if (!little && data.BYTES_PER_ELEMENT === 2) voxels.swap16();
  if (!little && data.BYTES_PER_ELEMENT === 4) voxels.swap32();
  return Buffer.concat([head, voxels]);
}

function codeOf(data: Voxels): number {
  if (data instanceof Float32Array) return NIFTI1.TYPE_FLOAT32;
  return data instanceof Int16Array ? NIFTI1.TYPE_INT16 : NIFTI1.TYPE_UINT8;
}
