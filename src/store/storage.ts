import { type Triple, voxels } from '../common/geometry.ts';
import { divide } from '../formats/b2nd/block-shape.ts';
import { encodeB2nd } from '../formats/b2nd/encode-b2nd.ts';
import { encodeNpyHeader } from '../formats/npy.ts';
import type { ImageDtype } from './file-names.ts';
import type { StoreIndex } from './store-index.ts';

export { IMAGE_DTYPES, type ImageDtype } from './file-names.ts';

/** What files arrays are written to. */
export const WRITTEN_ARRAYS = ['npy', 'b2nd'] as const;

/** How the arrays of a store are written. */
export interface Storage {
  dtype: ImageDtype;
  /** The patch, three axes, that .b2nd files are divided for; null: .npy files. */
  dividedFor: Triple | null;
}

export const PLAIN: Storage = { dtype: 'float32', dividedFor: null };

type Voxels = Float32Array | Float16Array | Int16Array | Int8Array;

/** A file of one array: an image, channels of [z, y, x], or labels. Returns its parts. */
export function encodeArray(content: readonly Voxels[] | Int8Array | Int16Array, shape: Triple, { dividedFor }: Storage): Uint8Array[] {
  const isImage = Array.isArray(content);
  const channels: readonly Voxels[] = isImage ? content : [content as Int8Array | Int16Array];
  const [first] = channels;
  const dtype = first instanceof Float32Array ? '<f4' : first instanceof Float16Array ? '<f2' : first instanceof Int16Array ? '<i2' : '|i1';
  if (dividedFor !== null)
    return encodeB2nd({ channels, shape, dtype, division: divide(shape, dividedFor, first.BYTES_PER_ELEMENT), codec: 'zstd' });
  const header = encodeNpyHeader(dtype, isImage ? [channels.length, ...shape] : shape);
  return [header, ...channels.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength))];
}

/** What the index says of how arrays are stored: nothing of float32 in .npy files. */
export function describeStorage(
  { dtype, dividedFor }: Storage,
  shapes: readonly Triple[],
  labelDtype: StoreIndex['labelDtype'],
): Pick<StoreIndex, 'imageDtype' | 'arrays' | 'largestBlock'> {
  const about = dtype === 'float32' ? {} : { imageDtype: dtype };
  if (dividedFor === null) return about;
  const widths = [dtype === 'float32' ? 4 : 2, labelDtype === 'int16' ? 2 : 1];
  const blocks = shapes.flatMap((shape) => widths.map((bytes) => bytes * voxels(divide(shape, dividedFor, bytes).block)));
  return { ...about, arrays: 'b2nd', largestBlock: { bytes: blocks.reduce((a, b) => Math.max(a, b)), channels: 1 } };
}
