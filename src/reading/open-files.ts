import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { LRUCache } from 'lru-cache';
import { fileError, StoreError } from '../common/errors.ts';
import { show, type Triple, voxels } from '../common/geometry.ts';
import { enter, resume, STAGE } from '../common/progress.ts';
import { B2ndArray } from '../formats/b2nd/array.ts';
import { nameOf } from '../formats/dtype-names.ts';
import type { Line } from '../formats/int16.ts';
import { DTYPES, isImage, NPY_HEADER_BYTES, type NpyHeader, parseNpyHeader } from '../formats/npy.ts';
import { readNpzArray, readNpzMembers } from '../formats/npz.ts';
import type { OpenFile } from '../formats/read-exactly.ts';
import type { VoxelType } from '../kernels/kernels.ts';
import { type ArrayFormat, caseFiles } from '../store/file-names.ts';
import type { PreviousArray } from '../store/previous-stage.ts';

/** What the voxels of a file are; of int16 images, what they stand for, one entry a channel. */
export interface StoredVoxels extends Omit<VoxelType, 'line'> {
  lines?: readonly Line[] | undefined;
}

/** An open .npy file: C-ordered voxels. */
export interface OpenNpy extends OpenFile, StoredVoxels {
  /** Where the voxels begin, in bytes. */
  offset: number;
}

/** An array out of an .npz file, which can only be inflated whole. */
export interface OpenInflated extends StoredVoxels {
  path: string;
  /** The array as an .npy file, in memory. */
  bytes: Uint8Array;
  offset: number;
}

/** An open .b2nd file: compressed blocks. */
export interface OpenBlocks extends OpenFile, StoredVoxels {
  blocks: B2ndArray;
}

/** An open array of a case. */
export type OpenArray = OpenNpy | OpenBlocks | OpenInflated;

/** The arrays of a case. */
export interface OpenCase {
  data: OpenArray;
  segmentation: OpenArray;
  /** In a cascade: the labels of the previous stage. */
  previous?: OpenArray;
}

/** What must be known to open a case: a part of a store's index. */
export interface CaseShape {
  id: string;
  shape: Triple;
  /** Of an image of int16, see `StoredCase`. */
  lines?: readonly Line[] | undefined;
}

/** The arrays of a store: what of it must be known to open them. */
export interface StoredArrays {
  dir: string;
  format: ArrayFormat;
  cases: readonly CaseShape[];
  channels: number;
  /** Of the store's labels; files may have less. */
  labelBytes: number;
  /** In a cascade. */
  previous: readonly PreviousArray[] | null;
}

/** What to do about a file that is not as the store says. */
const REMEDY = 'Run `voxfeed preprocess` again; it replaces damaged files';

/** Files that one worker holds open, so that a sample costs reads and no opens. The least recently used case leaves first. */
export class OpenFiles {
  readonly #stored: StoredArrays;
  readonly #open: LRUCache<number, OpenCase>;

  /** At most `limit` cases (two descriptors each, three with a previous stage) are open at once. */
  constructor(stored: StoredArrays, limit: number) {
    this.#stored = stored;
    this.#open = new LRUCache({ max: limit, dispose: closeFiles });
  }

  get(caseNumber: number): OpenCase {
    const open = this.#open.get(caseNumber);
    if (open) return open;
    // Before the next one takes its descriptors.
    if (this.#open.size >= this.#open.max) this.#open.pop();
    const files = this.#openCase(caseNumber);
    this.#open.set(caseNumber, files);
    return files;
  }

  #openCase(caseNumber: number): OpenCase {
    const { dir, format, cases, channels, labelBytes, previous } = this.#stored;
    const { id, shape, lines } = cases[caseNumber];
    const paths = caseFiles(dir, id, format);
    const open = (path: string, kind: Kind, how = format): OpenArray => this.#retrying(() => OPEN[how](path, kind), path);
    const data = open(paths.data, { shapes: [[channels, ...shape]], bytes: 4, labels: false, lines });
    const opened = [data];
    try {
      // nnU-Net's have a channel.
      const segmentation = open(paths.segmentation, { shapes: [shape, [1, ...shape]], bytes: labelBytes, labels: true });
      opened.push(segmentation);
      if (previous === null) return { data, segmentation };
      const before = previous[caseNumber];
      return { data, segmentation, previous: open(before.path, { shapes: [shape, [1, ...shape]], bytes: 2, labels: true }, before.format) };
    } catch (error) {
      for (const array of opened) if ('fd' in array) closeSync(array.fd);
      throw error;
    }
  }

  /** Others may have used up the descriptors: then fewer cases stay open, and nothing fails. */
  #retrying(openOne: () => OpenArray, path: string): OpenArray {
    for (;;) {
      try {
        return openOne();
      } catch (cause) {
        const error = fileError(path, cause);
        const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
        if (this.#open.size === 0 || (code !== 'EMFILE' && code !== 'ENFILE')) throw error;
        this.#open.pop();
      }
    }
  }

  /** Forgets a case; it is opened anew when it is needed again. */
  close(caseNumber: number): void {
    this.#open.delete(caseNumber);
  }
}

function closeFiles({ data, segmentation, previous }: OpenCase): void {
  for (const array of [data, segmentation, previous]) if (array && 'fd' in array) closeSync(array.fd);
}

/** What an array is to be. */
interface Kind {
  /** Any of these. */
  shapes: readonly (readonly number[])[];
  /** A voxel's, at most. */
  bytes: number;
  labels: boolean;
  /** Of an image of int16. */
  lines?: readonly Line[] | undefined;
}

/** Which numbers an array may hold: labels of int16 and images of it have as many bytes. */
function holds({ labels, lines }: Kind, dtype: string): boolean {
  if (lines !== undefined) return dtype === '<i2';
  return isImage(dtype) !== labels && dtype in DTYPES;
}

const OPEN: Record<ArrayFormat, (path: string, kind: Kind) => OpenArray> = {
  npy: (path, kind) => opening(path, (fd) => openNpy(path, fd, kind)),
  b2nd: (path, kind) => opening(path, (fd) => openBlocks(path, fd, kind)),
  npz: (path, kind) => inflate(path, kind),
};

/** Closes the file again if what is done with it fails. */
function opening<T>(path: string, use: (fd: number) => T): T {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw fileError(path, error);
  }
  try {
    return use(fd);
  } catch (error) {
    closeSync(fd);
    throw fileError(path, error);
  }
}

/** Checks that an .npy file holds such an array, whole. */
function openNpy(path: string, fd: number, kind: Kind): OpenNpy {
  const head = Buffer.alloc(NPY_HEADER_BYTES);
  const header = parseNpyHeader(path, head.subarray(0, readSync(fd, head, 0, head.length, 0)));
  return { path, fd, remedy: REMEDY, ...checkNpy(path, header, fstatSync(fd).size, kind) };
}

/** The same of an array in an .npz file, which is closed again. */
function inflate(path: string, kind: Kind): OpenInflated {
  return opening(path, (fd) => {
    const name = kind.labels ? 'seg' : 'data';
    const member = readNpzMembers(path, fd).get(name);
    if (member === undefined) throw new StoreError(path, `it has no array "${name}"`, REMEDY);
    const reading = enter(STAGE.decoding);
    const bytes = readNpzArray(path, fd, member);
    resume(reading);
    const array = { path, bytes, ...checkNpy(path, parseNpyHeader(path, bytes), bytes.length, kind) };
    closeSync(fd);
    return array;
  });
}

function checkNpy(path: string, header: NpyHeader, size: number, kind: Kind): StoredVoxels & { offset: number } {
  const bytesPerVoxel = DTYPES[header.dtype];
  if (!holds(kind, header.dtype))
    throw new StoreError(
      path,
      `it holds ${nameOf(header.dtype)}, ${kind.lines ? "the store's index says int16" : `which are no ${kind.labels ? 'labels' : 'image'}`}`,
      REMEDY,
    );
  if (!isOf(kind, header) || bytesPerVoxel > kind.bytes)
    throw new StoreError(
      path,
      `it holds an array ${show(header.shape)} of ${bytesPerVoxel} bytes a voxel, the store's index says ${show(kind.shapes[0])} of ${kind.bytes}`,
      REMEDY,
    );
  const expected = header.offset + voxels(header.shape) * bytesPerVoxel;
  if (size !== expected) throw new StoreError(path, `it holds ${size} bytes instead of ${expected}`, REMEDY);
  return { offset: header.offset, bytesPerVoxel, unsigned: header.dtype === '|u1', float16: header.dtype === '<f2', lines: kind.lines };
}

/** The same of a .b2nd file; its chunks are looked at when they are read. */
function openBlocks(path: string, fd: number, kind: Kind): OpenBlocks {
  const blocks = new B2ndArray(path, fd);
  const { dtype, shape, typesize } = blocks.head;
  if (!holds(kind, dtype))
    throw new StoreError(
      path,
      `it holds ${nameOf(dtype)}`,
      kind.labels
        ? 'Labels are read as int16, int8 or uint8: nnU-Net writes int16'
        : `Images are read as ${kind.lines ? 'int16 here' : 'float32 or float16: nnU-Net writes float32'}`,
    );
  if (!isOf(kind, { shape }) || typesize > kind.bytes)
    throw new StoreError(
      path,
      `it holds an array ${show(shape)} of ${typesize} bytes a voxel, the case has ${show(kind.shapes[0])} of ${kind.bytes}`,
      blocks.remedy,
    );
  return {
    path,
    fd,
    remedy: blocks.remedy,
    blocks,
    bytesPerVoxel: typesize,
    unsigned: dtype === '|u1',
    float16: dtype === '<f2',
    lines: kind.lines,
  };
}

function isOf({ shapes }: Kind, { shape }: { shape: readonly number[] }): boolean {
  return shapes.some((expected) => expected.join() === shape.join());
}
