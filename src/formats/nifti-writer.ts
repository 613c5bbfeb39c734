import { gzipSync } from 'node:zlib';
import { NIFTI1 } from 'nifti-reader-js';
import type { Triple } from '../common/geometry.ts';

/** Header, and four bytes that say that no extension follows. */
const HEADER_BYTES = 352;
const MILLIMETRES = 2;
/** "Coordinates from the scanner": what the matrix leads to. */
const SCANNER = 1;

/**
 * One volume as the bytes of a `.nii.gz` file: float32 or int16, little endian.
 * @param data [z, y, x]
 * @param affine 4×4, voxel index (x, y, z, 1) to millimetres, rows first
 */
export function encodeNifti(
  data: Float32Array | Int16Array,
  [depth, height, width]: Triple,
  affine: readonly (readonly number[])[],
): Uint8Array {
  const float = data instanceof Float32Array;
  const header = new NIFTI1();
  header.littleEndian = true;
  header.dims = [3, width, height, depth, 1, 1, 1, 1];
  header.datatypeCode = float ? NIFTI1.TYPE_FLOAT32 : NIFTI1.TYPE_INT16;
  header.numBitsPerVoxel = float ? 32 : 16;
  header.pixDims = [1, ...[0, 1, 2].map((column) => Math.hypot(...[0, 1, 2].map((row) => affine[row][column]))), 0, 0, 0, 0];
  header.vox_offset = HEADER_BYTES;
  header.scl_slope = 1;
  header.scl_inter = 0;
  header.xyzt_units = MILLIMETRES;
  header.sform_code = SCANNER;
  header.affine = affine.map((row) => [...row]);
  header.magic = 'n+1';
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return gzipSync(Buffer.concat([new Uint8Array(header.toArrayBuffer()), bytes]));
}
