import { type FileHandle, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from '../common/atomic-file.ts';
import { CaseError, fileError, OptionError, StoreError, type VoxfeedError } from '../common/errors.ts';
import { ifThere, mapFiles } from '../common/files.ts';
import { show, type Triple, voxels } from '../common/geometry.ts';
import { Digest } from '../common/hash.ts';
import { type LargestBlock, largestBlock } from '../formats/b2nd/head.ts';
import { nameOf } from '../formats/dtype-names.ts';
import { encodeNpyHeader, isImage, type NpyHeader, parseNpyHeader } from '../formats/npy.ts';
import type { Labels } from '../raw/labels.ts';
import { readArray } from './whole-array.ts';

/** Where one case's labels of a previous stage are: [z, y, x] on the grid of the store. */
export interface PreviousArray {
  path: string;
  format: 'npy' | 'b2nd';
}

/** The segmentations of a cascade's previous stage, one a case, in the order of the store. Plain data. */
export interface PreviousStage {
  arrays: PreviousArray[];
  /** Of all labels: tells whether a stream goes on with the same ones. */
  hash: string;
  /** Of its .b2nd files. */
  largestBlock: LargestBlock | null;
}

/** The data set they are for. A `Store` is one. */
interface CascadeStore {
  cases: readonly { id: string; shape: Triple }[];
  index: { labels: Labels };
}

/** Of files that workers cannot read a box of. */
const ENDINGS = ['.nii.gz', '.nii', '.npz'];
const HEAD_BYTES = 4096;
const CHUNK_BYTES = 16 * 1024 ** 2;
const ACTION = 'Save the labels as uint8, int8 or int16 in C order, [z, y, x] as the case is stored, with `numpy.save`, or as NIfTI';

/**
 * Finds and checks the previous stage's segmentation of every case: `CASE.b2nd` as nnU-Net leaves them in `predicted_next_stage`, or
 * `CASE.npy`; or `CASE.nii.gz`, `CASE.nii`, or `CASE.npz` of an older nnU-Net, which are converted once, to a `CASE.npy` beside them: workers
 * can read a box of that. Each file is read whole, to see that its labels are the data set's.
 * @throws OptionError, CaseError, FileError naming the file
 */
export async function openPreviousStage(dir: unknown, { cases, index }: CascadeStore): Promise<PreviousStage> {
  if (typeof dir !== 'string' || dir === '')
    throw new OptionError(
      'previousStage',
      `${JSON.stringify(dir)} is no folder`,
      "Give the folder with the previous stage's segmentations",
    );
  const folder = await stat(dir).catch((error) => {
    throw fileError(dir, error);
  });
  if (!folder.isDirectory())
    throw new OptionError('previousStage', `${dir} is no folder`, 'Give the folder that holds CASE.npy or CASE.nii.gz');
  const found = await mapFiles(cases, ({ id }) => find(dir, id));
  const missing = cases.filter((_, i) => found[i] === null);
  if (missing.length > 0)
    throw new CaseError(
      join(dir, `${missing[0].id}.npy`),
      `there is no previous-stage segmentation of ${missing[0].id}${missing.length > 1 ? ` and ${missing.length - 1} other cases` : ''} in any format`,
      'Predict every case of the store with the previous stage (those of its training folds too, by cross-validation)',
    );
  const digest = await Digest.create();
  const arrays: PreviousArray[] = [];
  const blocks: LargestBlock[] = [];
  // One after the other: each may be a whole volume in memory.
  for (const [i, { shape }] of cases.entries()) {
    const { path, format, from } = found[i] as Found;
    if (from !== null) await convert(from, path, shape, index.labels);
    if (format === 'npy') await check(path, shape, index.labels, digest);
    else blocks.push(checkBlocks(path, shape, index.labels, digest));
    arrays.push({ path, format });
  }
  return { arrays, hash: digest.hex(), largestBlock: largestBlock(blocks) };
}

interface Found extends PreviousArray {
  /** What is to be converted to it first. */
  from: string | null;
}

async function find(dir: string, id: string): Promise<Found | null> {
  const modified = async (path: string): Promise<number | null> => (await ifThere(path, stat(path)))?.mtimeMs ?? null;
  const b2nd = join(dir, `${id}.b2nd`);
  if ((await modified(b2nd)) !== null) return { path: b2nd, format: 'b2nd', from: null };
  const path = join(dir, `${id}.npy`);
  const made = await modified(path);
  for (const ending of ENDINGS) {
    const from = join(dir, `${id}${ending}`);
    const written = await modified(from);
    if (written !== null && (made === null || made < written)) return { path, format: 'npy', from };
  }
  return made === null ? null : { path, format: 'npy', from: null };
}

async function convert(from: string, npy: string, shape: Triple, labels: Labels): Promise<void> {
  const data = from.endsWith('.npz') ? readInflated(from, shape) : await readVolume(from, shape);
  const wide = labels.values[labels.values.length - 1] > 127;
  checkLabels(from, data, labels);
  const voxels = wide ? Int16Array.from(data) : Int8Array.from(data);
  // Several ranks may convert it at once.
  await writeAtomic(npy, [encodeNpyHeader(wide ? '<i2' : '|i1', shape), new Uint8Array(voxels.buffer)]);
}

async function readVolume(nifti: string, shape: Triple): Promise<ArrayLike<number>> {
  const { readNifti } = await import('../formats/nifti.ts');
  const { data, shape: found } = await readNifti(nifti);
  checkShape(nifti, found, shape);
  return data;
}

function readInflated(npz: string, shape: Triple): ArrayLike<number> {
  const { data, shape: found } = readArray(npz, 'npz', 'seg');
  checkShape(npz, spatial(found), shape);
  return data;
}

/** A whole array of blocks, once. */
function checkBlocks(path: string, shape: Triple, labels: Labels, digest: Digest): LargestBlock {
  const { data, shape: found, block } = readArray(path, 'b2nd', 'seg');
  checkShape(path, spatial(found), shape);
  checkLabels(path, data, labels);
  digest.update(data);
  return block as LargestBlock;
}

/** Older releases of nnU-Net keep a channel axis. */
function spatial(shape: readonly number[]): readonly number[] {
  return shape.length === 4 && shape[0] === 1 ? shape.slice(1) : shape;
}

/** @throws CaseError naming the first label that the data set does not have */
function checkLabels(path: string, data: ArrayLike<number>, labels: Labels): void {
  const known = new Set(labels.values);
  let last = 0;
  for (let i = 0; i < data.length; i++) {
    if (data[i] === last) continue;
    last = data[i];
    if (!known.has(last)) throw unknownLabel(path, last, labels);
  }
}

async function check(path: string, shape: Triple, labels: Labels, digest: Digest): Promise<void> {
  try {
    await using file = await open(path, 'r');
    const { offset, Type } = await readHead(file, path, shape);
    const { BYTES_PER_ELEMENT: width } = Type;
    const bytes = Buffer.alloc(Math.min(CHUNK_BYTES, voxels(shape) * width));
    const end = offset + voxels(shape) * width;
    const { size } = await file.stat();
    if (size !== end) throw new CaseError(path, `it holds ${size} bytes instead of ${end}`, 'Write it again');
    for (let at = offset; at < end; ) {
      const { bytesRead } = await file.read(bytes, 0, Math.min(bytes.length, end - at), at);
      const part = new Type(bytes.buffer as ArrayBuffer, bytes.byteOffset, Math.floor(bytesRead / width));
      checkLabels(path, part, labels);
      digest.update(part);
      at += part.byteLength;
    }
  } catch (error) {
    throw fileError(path, error);
  }
}

type LabelArray = typeof Int8Array | typeof Uint8Array | typeof Int16Array;

async function readHead(file: FileHandle, path: string, shape: Triple): Promise<{ offset: number; Type: LabelArray }> {
  const head = Buffer.alloc(HEAD_BYTES);
  const { bytesRead } = await file.read(head, 0, HEAD_BYTES, 0);
  let header: NpyHeader;
  try {
    header = parseNpyHeader(path, head.subarray(0, bytesRead));
  } catch (error) {
    throw error instanceof StoreError ? new CaseError(path, (error as VoxfeedError).what, ACTION) : error;
  }
  const { dtype, offset, shape: found } = header;
  if (isImage(dtype)) throw new CaseError(path, `it holds ${nameOf(dtype)}, not labels`, ACTION);
  checkShape(path, spatial(found), shape);
  const Type = { '|i1': Int8Array, '|u1': Uint8Array, '<i2': Int16Array }[dtype];
  return { offset, Type };
}

function checkShape(path: string, found: readonly number[], shape: Triple): void {
  if (found.join() === shape.join()) return;
  throw new CaseError(
    path,
    `its shape is ${show(found)}, the case is stored as ${show(shape)}`,
    'It must lie on the grid of the preprocessed case: axes in its order, cropped and resampled as it is',
  );
}

function unknownLabel(path: string, label: number, { values }: Labels): CaseError {
  return new CaseError(path, `it holds the label ${label}`, `The labels of the data set are ${values.join(', ')}`);
}
