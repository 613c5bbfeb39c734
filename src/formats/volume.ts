import type { FileHandle } from 'node:fs/promises';
import { machineMemory, showBytes } from '../common/bytes.ts';
import { CaseError, MemoryError } from '../common/errors.ts';
import { show, type Triple, voxels } from '../common/geometry.ts';
import type { Decode, DecodedValues, LabelNumbers, Numbers, ValueRules } from './values.ts';

/** What the header of a file says, without its voxels. */
export interface VolumeHead {
  shape: Triple;
  /** Millimetres per voxel in array order, positive. */
  spacing: Triple;
  /** 4×4, voxel index (x, y, z, 1) to millimetres, rows first; right, anterior and superior are positive. */
  affine: number[][];
  /** Volumes of `shape`, one after the other. */
  channels: number;
  /** Of all voxels as they are stored, and of what lies before them where they are kept together. */
  voxelBytes: number;
  offset: number;
  /** Of the file as it is. */
  fileBytes: number;
}

/** One volume of a file as an array. */
export interface Volume<T extends LabelNumbers = Float32Array> extends DecodedValues<T> {
  path: string;
  /** Values in array order [z, y, x]: files store x fastest, so that the bytes need no reordering. */
  data: T;
  shape: Triple;
  spacing: Triple;
  affine: number[][];
  /** Nothing says how large its voxels are: spacing and affine stand in for it. */
  unplaced?: true;
  /** What is odd about the file, and what was made of it: a clause each. */
  odd: string[];
}

export type NumbersConstructor = {
  new (buffer: ArrayBuffer, offset?: number, length?: number): Numbers;
  readonly BYTES_PER_ELEMENT: number;
};

/** Node counts the bytes of one read in 31 bits. */
export const MOST_AT_ONCE = 1024 ** 3;
/** The most that deflate makes of a byte (zlib.net/zlib_tech.html). */
const MOST_INFLATED = 1032;

/** ITK readers give a 2D image this many times its in-plane spacing along the missing axis, so that it is never resampled. */
export const FLAT_SPACING = 999;

/** Refuses a header that the file cannot be as long as, before there is room for what it announces. What follows the image is no fault. */
export function checkSize(path: string, head: VolumeHead, compressed: boolean): void {
  const { fileBytes, offset, voxelBytes } = head;
  const found = fileBytes - offset;
  if (!compressed && found < voxelBytes) throw cutOff(path, head, `${found}`);
  if (compressed && offset + voxelBytes > MOST_INFLATED * fileBytes) throw cutOff(path, head, 'fewer');
}

/** Of a file whose header says that it is longer. */
export function cutOff(path: string, { shape, channels, voxelBytes }: VolumeHead, found: string): CaseError {
  const sizes = channels > 1 ? [channels, ...shape] : shape;
  return new CaseError(
    path,
    `the header announces ${voxelBytes} bytes of voxels ${show(sizes)}, the file holds ${found}`,
    'Check the file: the file is cut off or the header is wrong',
  );
}

/** Refuses an origin or directions that are no numbers. @throws CaseError */
export function checkAffine(path: string, affine: readonly (readonly number[])[]): void {
  if (affine.flat().every((number) => Number.isFinite(number))) return;
  const what = 'the origin or a direction in its header is NaN or infinite';
  throw new CaseError(path, what, 'Correct its header, or copy that of an image which lies in the same place');
}

/** Whoever runs this has as much: asking what a control group grants takes longer than reading such a volume. */
const ALWAYS_THERE = 16 * 1024 ** 2;

/** Refuses what no memory could hold: the file, inflated if it is compressed, and its voxels as float32. */
export function checkMemory(path: string, { shape, channels, fileBytes, offset, voxelBytes }: VolumeHead, compressed: boolean): void {
  const bytes = fileBytes + (compressed ? offset + voxelBytes : 0) + 4 * channels * voxels(shape);
  const limit = bytes > ALWAYS_THERE ? machineMemory() : Number.POSITIVE_INFINITY;
  if (bytes > limit)
    throw new MemoryError(
      path,
      `reading its ${show(shape)} voxels takes ${showBytes(bytes)}, there are ${showBytes(limit)}`,
      'Check its header, or use a machine with more memory',
    );
}

/** @throws CaseError */
export function checkSpacing(path: string, spacing: readonly number[], action: string): void {
  if (spacing.some((size) => !Number.isFinite(size) || size <= 0))
    throw new CaseError(path, `the voxel spacing ${show(spacing)} is not positive`, action);
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

/** What is odd about a file that goes on after its image. */
export const following = (what: string): string => `${what} follow the image: left out`;

/** The numbers of each channel of an image. @param image all voxels as they are stored; may be changed, and kept */
export function decodeChannels<T extends LabelNumbers>(
  image: Buffer,
  { shape, channels }: VolumeHead,
  { Type, littleEndian }: { Type: NumbersConstructor; littleEndian: boolean },
  rules: ValueRules,
  decode: Decode<T>,
): DecodedValues<T>[] {
  const size = Type.BYTES_PER_ELEMENT;
  if (!littleEndian) swapBytes(image, size);
  // Usually the voxels are aligned where they lie; otherwise they need a copy.
  const { buffer, byteOffset } = image.byteOffset % size === 0 ? image : Uint8Array.prototype.slice.call(image);
  const count = voxels(shape);
  return Array.from({ length: channels }, (_, channel) =>
    decode(new Type(buffer as ArrayBuffer, byteOffset + channel * count * size, count), rules),
  );
}

/** The volumes of a file: each has arrays of its own, what is odd goes to the first. */
export function asVolumes<T extends LabelNumbers>(
  path: string,
  channels: readonly DecodedValues<T>[],
  head: VolumeHead,
  odd: string[],
): Volume<T>[] {
  const { shape, spacing, affine } = head;
  return channels.map((values, i) => ({
    ...values,
    path,
    shape: [...shape],
    spacing: [...spacing],
    affine: affine.map((row) => [...row]),
    odd: i === 0 ? odd : [],
  }));
}

export function swapBytes(raw: Buffer, size: number): void {
  if (size === 2) raw.swap16();
  else if (size === 4) raw.swap32();
  else if (size === 8) raw.swap64();
}
