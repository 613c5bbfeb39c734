import { unlink } from 'node:fs/promises';
import { writeAtomic } from '../common/atomic-file.ts';
import { CaseError } from '../common/errors.ts';
import { ifThere } from '../common/files.ts';
import { hasher, xxh64 } from '../common/hash.ts';
import { toFloat16 } from '../formats/float16.ts';
import { type Line, toInt16 } from '../formats/int16.ts';
import { caseFiles } from './file-names.ts';
import { encodeSidecar, type Sidecar, type StoredFile } from './sidecar.ts';
import { encodeArray, type ImageDtype, PLAIN, type Storage } from './storage.ts';
import { type ListedCase, listCase } from './store-index.ts';

/** What is stored of one case. */
export interface CaseContent extends Omit<Sidecar, 'format' | 'version' | 'channels' | 'files' | 'lines'> {
  /** float32 [z, y, x] of `shape`, one a channel. */
  images: readonly Float32Array[];
  /** The same; the width of its numbers is that of the file. */
  segmentation: Int8Array | Int16Array;
}

/** Writes the three files of a case. The sidecar comes last: where it stands, the case is whole. @throws CaseError, FileError */
export async function writeCase(
  dir: string,
  { images, segmentation, ...content }: CaseContent,
  storage: Storage = PLAIN,
): Promise<ListedCase> {
  const { id, shape } = content;
  const paths = caseFiles(dir, id, storage.dividedFor === null ? 'npy' : 'b2nd');
  await ifThere(paths.sidecar, unlink(paths.sidecar));
  const { stored, lines } = narrowed(id, images, storage.dtype);
  // Names are on the disk before that of the sidecar is. Its own is at the latest when the index is, which is written last of all.
  const data = await writeParts(paths.data, encodeArray(stored, shape, storage), { flushFolder: false });
  const labels = await writeParts(paths.segmentation, encodeArray(segmentation, shape, storage), { flushFolder: true });
  const sidecar: Sidecar = {
    format: 'voxfeed-case',
    version: 3,
    channels: images.length,
    ...content,
    files: { data, segmentation: labels },
    ...(lines !== undefined && { lines }),
  };
  const checksum = await hasher();
  await writeAtomic(paths.sidecar, [encodeSidecar(sidecar, checksum)], { flushFolder: false });
  return listCase(checksum, sidecar);
}

/** The image as it is stored; of int16 what they stand for, too. */
function narrowed(
  id: string,
  images: readonly Float32Array[],
  dtype: ImageDtype,
): { stored: readonly (Float32Array | Float16Array | Int16Array)[]; lines?: Line[] } {
  const each = <T>(narrow: (image: Float32Array) => T): T[] =>
    images.map((image, channel) => {
      try {
        return narrow(image);
      } catch (cause) {
        const { message } = cause as RangeError;
        throw new CaseError(`case ${id}`, `channel ${channel}: ${message}`, 'Store its data set as float32', { cause });
      }
    });
  if (dtype === 'float32') return { stored: images };
  if (dtype === 'float16') return { stored: each(toFloat16) };
  const mapped = each(toInt16);
  return { stored: mapped.map(({ stored }) => stored), lines: mapped.map(({ line }) => line) };
}

async function writeParts(path: string, parts: readonly Uint8Array[], how: { flushFolder: boolean }): Promise<StoredFile> {
  await writeAtomic(path, parts, how);
  return { bytes: parts.reduce((sum, part) => sum + part.length, 0), xxh64: await xxh64(...parts) };
}
