import { readFile } from 'node:fs/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { writeAtomic } from '../common/atomic-file.ts';
import { fileError } from '../common/errors.ts';

/** Where the two versions of NIfTI keep what changes when labels take the place of an image, in bytes. */
const FIRST = { size: 348, datatype: 70, bits: 72, offset: 108, slope: 112, inter: 116, calibration: [124, 128], wide: false };
const SECOND = { size: 540, datatype: 12, bits: 14, offset: 168, slope: 176, inter: 184, calibration: [192, 200], wide: true };
/** NIfTI's codes. */
const UINT8 = 2;
const INT16 = 4;

/**
 * Writes labels as NIfTI in the geometry of an image: its header is taken over, so that nothing about its place can change.
 * @param image a file that `readNifti` reads
 * @param path ends in .nii or .nii.gz
 * @throws FileError
 */
export async function writeLabels(path: string, labels: Int16Array, image: string): Promise<void> {
  let bytes: Buffer;
  try {
    bytes = await readFile(image);
    if (image.endsWith('.gz')) bytes = gunzipSync(bytes);
  } catch (error) {
    throw fileError(image, error);
  }
  const fields = bytes.toString('latin1', 4, 7) === 'n+2' ? SECOND : FIRST;
  const little = bytes.readInt32LE(0) === fields.size;
  // Four bytes after the header say that no extensions follow.
  const head = Buffer.alloc(fields.size + 4);
  bytes.copy(head, 0, 0, fields.size);
  const view = new DataView(head.buffer, head.byteOffset);
  const number = (at: number, value: number): void =>
    fields.wide ? view.setFloat64(at, value, little) : view.setFloat32(at, value, little);
  const byte = labels.every((label) => label >= 0 && label < 256);
  view.setInt16(fields.datatype, byte ? UINT8 : INT16, little);
  view.setInt16(fields.bits, byte ? 8 : 16, little);
  if (fields.wide) view.setBigInt64(fields.offset, BigInt(head.length), little);
  else view.setFloat32(fields.offset, head.length, little);
  number(fields.slope, 1);
  number(fields.inter, 0);
  for (const at of fields.calibration) number(at, 0);
  const values = byte ? Buffer.from(Uint8Array.from(labels)) : Buffer.from(labels.slice().buffer);
  if (!byte && !little) values.swap16();
  const whole = Buffer.concat([head, values]);
  await writeAtomic(path, [path.endsWith('.gz') ? gzipSync(whole) : whole]);
}
