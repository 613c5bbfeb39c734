import { type FileHandle, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from '../common/atomic-file.ts';
import { CaseError, fileError, OptionError, StoreError, type VoxfeedError } from '../common/errors.ts';
import { show, type Triple, voxels } from '../common/geometry.ts';
import { Digest } from '../common/hash.ts';
import { readNifti } from '../formats/nifti.ts';
import { encodeNpyHeader, type NpyHeader, parseNpyHeader } from '../formats/npy.ts';
import type { Labels } from '../raw/labels.ts';

/** Where one case's labels of a previous stage are: C-ordered [z, y, x] on the grid of the store. */
export interface PreviousArray {
  path: string;
  /** Where the voxels begin, in bytes. */
  offset: number;
  bytesPerVoxel: number;
  /** Whether they are uint8. */
  unsigned: boolean;
}

/** The segmentations of a cascade's previous stage, one a case, in the order of the store. Plain data. */
export interface PreviousStage {
  arrays: PreviousArray[];
  /** Of all labels: tells whether a stream goes on with the same ones. */
  hash: string;
}

/** The data set they are for. A `Store` is one. */
interface CascadeStore {
  cases: readonly { id: string; shape: Triple }[];
  index: { labels: Labels };
}

const ENDINGS = ['.nii.gz', '.nii'];
const HEAD_BYTES = 4096;
const CHUNK_BYTES = 16 * 1024 ** 2;
const ACTION = 'Save the labels as uint8, int8 or int16 in C order, [z, y, x] as the case is stored, with `numpy.save`, or as NIfTI';

/**
 * Finds and checks the previous stage's segmentation of every case: `CASE.npy`, or `CASE.nii.gz` or `CASE.nii`. A NIfTI file is
 * converted once, to a `CASE.npy` beside it, which workers can read a box of. Each file is read whole, to see that its labels are the
 * data set's.
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
  const found = await Promise.all(cases.map(({ id }) => find(dir, id)));
  const missing = cases.filter((_, i) => found[i] === null);
  if (missing.length > 0)
    throw new CaseError(
      join(dir, `${missing[0].id}.npy`),
      `there is no previous-stage segmentation of ${missing[0].id}${missing.length > 1 ? ` and ${missing.length - 1} other cases` : ''}, nor as .nii.gz`,
      'Predict every case of the store with the previous stage (those of its training folds too, by cross-validation)',
    );
  const digest = await Digest.create();
  const arrays: PreviousArray[] = [];
  // One after the other: each may be a whole volume in memory.
  for (const [i, { shape }] of cases.entries()) {
    const { npy, nifti } = found[i] as Found;
    if (nifti !== null) await convert(nifti, npy, shape, index.labels);
    arrays.push(await check(npy, shape, index.labels, digest));
  }
  return { arrays, hash: digest.hex() };
}

interface Found {
  npy: string;
  /** What is to be converted to it first. */
  nifti: string | null;
}

async function find(dir: string, id: string): Promise<Found | null> {
  const modified = (path: string): Promise<number | null> =>
    stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => null,
    );
  const npy = join(dir, `${id}.npy`);
  const made = await modified(npy);
  for (const ending of ENDINGS) {
    const nifti = join(dir, `${id}${ending}`);
    const written = await modified(nifti);
    if (written !== null && (made === null || made < written)) return { npy, nifti };
  }
  return made === null ? null : { npy, nifti: null };
}

async function convert(nifti: string, npy: string, shape: Triple, labels: Labels): Promise<void> {
  const { data, shape: found } = await readNifti(nifti);
  checkShape(nifti, found, shape);
  const wide = labels.values[labels.values.length - 1] > 127;
  const known = new Set(labels.values);
  let last = 0;
  for (const label of data) {
    if (label === last) continue;
    if (!known.has(label)) throw unknownLabel(nifti, label, labels);
    last = label;
  }
  const voxels = wide ? Int16Array.from(data) : Int8Array.from(data);
  await writeAtomic(npy, [encodeNpyHeader(wide ? '<i2' : '|i1', shape), new Uint8Array(voxels.buffer)]);
}

async function check(path: string, shape: Triple, labels: Labels, digest: Digest): Promise<PreviousArray> {
  try {
    await using file = await open(path, 'r');
    const { offset, bytesPerVoxel, unsigned, Type } = await readHead(file, path, shape);
    const known = new Uint8Array(65536);
    for (const value of labels.values) known[value] = 1;
    const bytes = Buffer.alloc(Math.min(CHUNK_BYTES, voxels(shape) * bytesPerVoxel));
    const end = offset + voxels(shape) * bytesPerVoxel;
    const { size } = await file.stat();
    if (size !== end) throw new CaseError(path, `it holds ${size} bytes instead of ${end}`, 'Write it again');
    for (let at = offset; at < end; ) {
      const { bytesRead } = await file.read(bytes, 0, Math.min(bytes.length, end - at), at);
      const part = new Type(bytes.buffer as ArrayBuffer, bytes.byteOffset, Math.floor(bytesRead / bytesPerVoxel));
      let last = 0;
      for (const label of part) {
        if (label === last) continue;
        if (known[label & 0xffff] === 0) throw unknownLabel(path, label, labels);
        last = label;
      }
      digest.update(part);
      at += part.byteLength;
    }
    return { path, offset, bytesPerVoxel, unsigned };
  } catch (error) {
    throw fileError(path, error);
  }
}

type LabelArray = typeof Int8Array | typeof Uint8Array | typeof Int16Array;

async function readHead(file: FileHandle, path: string, shape: Triple): Promise<PreviousArray & { Type: LabelArray }> {
  const head = Buffer.alloc(HEAD_BYTES);
  const { bytesRead } = await file.read(head, 0, HEAD_BYTES, 0);
  let header: NpyHeader;
  try {
    header = parseNpyHeader(path, head.subarray(0, bytesRead));
  } catch (error) {
    throw error instanceof StoreError ? new CaseError(path, (error as VoxfeedError).what, ACTION) : error;
  }
  const { dtype, offset, shape: found } = header;
  if (dtype === '<f4') throw new CaseError(path, 'it holds float32 numbers, not labels', ACTION);
  // Older releases of nnU-Net keep a channel axis.
  checkShape(path, found.length === 4 && found[0] === 1 ? found.slice(1) : found, shape);
  const Type = { '|i1': Int8Array, '|u1': Uint8Array, '<i2': Int16Array }[dtype];
  return { path, offset, bytesPerVoxel: Type.BYTES_PER_ELEMENT, unsigned: dtype === '|u1', Type };
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
