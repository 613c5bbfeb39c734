import { rm } from 'node:fs/promises';
import { writeAtomic } from '../common/atomic-file.ts';
import { CaseError, fileError } from '../common/errors.ts';
import { hasher, xxh64 } from '../common/hash.ts';
import { toFloat16 } from '../formats/float16.ts';
import { type Dtype, encodeNpyHeader } from '../formats/npy.ts';
import { caseFiles } from './file-names.ts';
import { encodeSidecar, type Sidecar, type StoredFile, sidecarChecksum } from './sidecar.ts';
import { listCase, type StoredCase } from './store-index.ts';

/** What images are stored as. */
export const IMAGE_DTYPES = ['float32', 'float16'] as const;

export type ImageDtype = (typeof IMAGE_DTYPES)[number];

/** What is stored of one case. */
export interface CaseContent extends Omit<Sidecar, 'format' | 'version' | 'channels' | 'files' | 'xxh64'> {
  /** float32 [z, y, x] of `shape`, one a channel. */
  images: readonly Float32Array[];
  /** The same; the width of its numbers is that of the file. */
  segmentation: Int8Array | Int16Array;
  /** Default: float32. */
  dtype?: ImageDtype | undefined;
}

/** Writes the three files of a case. The sidecar comes last: where it stands, the case is whole. @throws CaseError, FileError */
export async function writeCase(dir: string, { images, segmentation, dtype, ...content }: CaseContent): Promise<StoredCase> {
  const paths = caseFiles(dir, content.id);
  await rm(paths.sidecar, { force: true }).catch((error) => {
    throw fileError(paths.sidecar, error);
  });
  const half = dtype === 'float16';
  const stored = half ? images.map((image, channel) => narrowed(content.id, channel, image)) : images;
  const data = await writeArray(paths.data, half ? '<f2' : '<f4', [images.length, ...content.shape], stored);
  const labels = await writeArray(paths.segmentation, segmentation instanceof Int8Array ? '|i1' : '<i2', content.shape, [segmentation]);
  const unsigned: Omit<Sidecar, 'xxh64'> = {
    format: 'voxfeed-case',
    version: 2,
    channels: images.length,
    ...content,
    files: { data, segmentation: labels },
  };
  const checksum = await hasher();
  await writeAtomic(paths.sidecar, [encodeSidecar({ ...unsigned, xxh64: sidecarChecksum(checksum, unsigned) })]);
  return listCase(checksum, unsigned);
}

function narrowed(id: string, channel: number, image: Float32Array): Float16Array {
  try {
    return toFloat16(image);
  } catch (cause) {
    const { message } = cause as RangeError;
    throw new CaseError(`case ${id}`, `channel ${channel}: ${message}`, 'Store its data set as float32', { cause });
  }
}

async function writeArray(
  path: string,
  dtype: Dtype,
  shape: number[],
  arrays: readonly (Float32Array | Float16Array | Int16Array | Int8Array)[],
): Promise<StoredFile> {
  const parts = [encodeNpyHeader(dtype, shape), ...arrays.map((array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength))];
  await writeAtomic(path, parts);
  return { bytes: parts.reduce((sum, part) => sum + part.length, 0), xxh64: await xxh64(...parts) };
}
