import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { LRUCache } from 'lru-cache';
import { fileError, StoreError } from '../common/errors.ts';
import { show, type Triple, voxels } from '../common/geometry.ts';
import { DTYPES, NPY_HEADER_BYTES, parseNpyHeader } from '../formats/npy.ts';
import { caseFiles } from '../store/file-names.ts';
import type { PreviousArray } from '../store/previous-stage.ts';

/** Node counts the bytes of one read in 31 bits. */
const MOST_AT_ONCE = 1024 ** 3;

/** An open array of a case. */
export interface OpenArray {
  path: string;
  fd: number;
  /** Where the voxels begin, in bytes. */
  offset: number;
  bytesPerVoxel: number;
}

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
}

/** Files that one worker holds open, so that a sample costs reads and no opens. The least recently used case leaves first. */
export class OpenFiles {
  readonly #dir: string;
  readonly #cases: readonly CaseShape[];
  readonly #channels: number;
  readonly #labelBytes: number;
  readonly #previous: readonly PreviousArray[] | null;
  readonly #open: LRUCache<number, OpenCase>;

  /** At most `limit` cases (two descriptors each, three with a previous stage) are open at once. */
  constructor(
    dir: string,
    cases: readonly CaseShape[],
    channels: number,
    labelBytes: number,
    limit: number,
    previous: readonly PreviousArray[] | null = null,
  ) {
    this.#previous = previous;
    this.#dir = dir;
    this.#cases = cases;
    this.#channels = channels;
    this.#labelBytes = labelBytes;
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
    const { id, shape } = this.#cases[caseNumber];
    const paths = caseFiles(this.#dir, id);
    const data = this.#openArray(paths.data, [this.#channels, ...shape], 4);
    const opened = [data];
    try {
      const segmentation = this.#openArray(paths.segmentation, shape, this.#labelBytes);
      opened.push(segmentation);
      if (this.#previous === null) return { data, segmentation };
      const previous = this.#previous[caseNumber];
      return { data, segmentation, previous: this.#retrying(() => ({ ...previous, fd: openSync(previous.path, 'r') }), previous.path) };
    } catch (error) {
      for (const { fd } of opened) closeSync(fd);
      throw error;
    }
  }

  #openArray(path: string, shape: readonly number[], bytesPerVoxel: number): OpenArray {
    return this.#retrying(() => openArray(path, shape, bytesPerVoxel), path);
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
  closeSync(data.fd);
  closeSync(segmentation.fd);
  if (previous) closeSync(previous.fd);
}

/** Opens an .npy file and checks that it holds an array of `shape` and element size. */
function openArray(path: string, shape: readonly number[], expectedBytes: number): OpenArray {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw fileError(path, error);
  }
  try {
    const head = Buffer.alloc(NPY_HEADER_BYTES);
    const header = parseNpyHeader(path, head.subarray(0, readSync(fd, head, 0, head.length, 0)));
    const bytesPerVoxel = DTYPES[header.dtype];
    if (header.shape.join() !== shape.join() || bytesPerVoxel !== expectedBytes) {
      throw new StoreError(
        path,
        `it holds an array ${show(header.shape)} of ${bytesPerVoxel} bytes a voxel, the store's index says ${show(shape)} of ${expectedBytes}`,
        'Run `voxfeed preprocess` again; it replaces damaged files',
      );
    }
    const expected = header.offset + voxels(shape) * bytesPerVoxel;
    const { size } = fstatSync(fd);
    if (size !== expected)
      throw new StoreError(
        path,
        `it holds ${size} bytes instead of ${expected}`,
        'Run `voxfeed preprocess` again; it replaces damaged files',
      );
    return { path, fd, offset: header.offset, bytesPerVoxel };
  } catch (error) {
    closeSync(fd);
    throw fileError(path, error);
  }
}

/** Reads exactly `length` bytes. @throws StoreError if the file ends before. */
export function readExactly({ path, fd }: OpenArray, into: Uint8Array, at: number, length: number, position: number): void {
  let done = 0;
  while (done < length) {
    let count: number;
    try {
      count = readSync(fd, into, at + done, Math.min(length - done, MOST_AT_ONCE), position + done);
    } catch (error) {
      throw fileError(path, error);
    }
    if (count === 0)
      throw new StoreError(
        path,
        `it ends at byte ${position + done}, before the voxels do`,
        'Run `voxfeed preprocess` again; it replaces damaged files',
      );
    done += count;
  }
}
