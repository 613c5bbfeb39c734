import { readFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError, StoreError } from '../errors.ts';
import type { Triple } from '../geometry.ts';
import { caseFiles } from './case-files.ts';
import { type Checksum, hasher } from './hash.ts';
import type { LabelClass, Labels } from './labels.ts';
import { decodeSidecar, type StoredFile } from './sidecar.ts';

/** One case as the store's index lists it. */
export interface StoredCase {
  id: string;
  shape: Triple;
  spacing: Triple;
  /** How many locations are stored per class of `labels.classes`; patches can only be forced onto classes with some. */
  locations: number[];
  /** xxHash64 over all of them. (Not of the file they are in: it also says when its sources were modified.) */
  locationsXxh64: string;
  files: { data: StoredFile; segmentation: StoredFile };
}

/** The index of a store, `voxfeed.json`. It is written last, so its presence says that the store is whole. */
export interface StoreIndex {
  format: 'voxfeed-store';
  version: 1;
  name: string;
  channels: string[];
  labels: Labels;
  labelDtype: 'int8' | 'int16';
  /** What the cases were written with, for a person to read. */
  options: unknown;
  optionsHash: string;
  cases: StoredCase[];
}

export const INDEX_FILE = 'voxfeed.json';

/** Class locations kept in memory are bounded by this many bytes; they are read again where needed. */
const LOCATIONS_CACHE_BYTES = 256 * 1024 * 1024;

/** A preprocessed data set, ready to be sampled. Open one with `openStore`. */
export class Store {
  readonly dir: string;
  readonly index: StoreIndex;
  /** Of the index, which has checksums of all voxels, labels and class locations as they were written. */
  readonly hash: string;
  readonly #checksum: Checksum;
  readonly #locations = new Map<number, Uint32Array[]>();
  #cachedBytes = 0;

  constructor(dir: string, index: StoreIndex, hash: string, checksum: Checksum) {
    this.#checksum = checksum;
    this.dir = dir;
    this.index = index;
    this.hash = hash;
  }

  get cases(): readonly StoredCase[] {
    return this.index.cases;
  }

  get classes(): readonly LabelClass[] {
    return this.index.labels.classes;
  }

  /** The most memory that cached class locations may take, in bytes. */
  get locationsBytes(): number {
    const all = this.cases.reduce((sum, { locations }) => sum + 4 * locations.reduce((a, b) => a + b, 0), 0);
    return Math.min(all, LOCATIONS_CACHE_BYTES);
  }

  /** The voxel [z, y, x] at `position` of the stored locations of a class of a case. @throws StoreError */
  location(caseNumber: number, classNumber: number, position: number): Triple {
    const [, height, width] = this.cases[caseNumber].shape;
    const flat = this.#caseLocations(caseNumber)[classNumber][position];
    return [Math.floor(flat / (height * width)), Math.floor(flat / width) % height, flat % width];
  }

  /**
   * Least recently used cases leave first. Reading is synchronous: a plan must be made in one go, and the file is
   * small (40 kB a class) beside the voxels that the plan is about to read.
   */
  #caseLocations(caseNumber: number): Uint32Array[] {
    const cached = this.#locations.get(caseNumber);
    if (cached) {
      this.#locations.delete(caseNumber);
      this.#locations.set(caseNumber, cached);
      return cached;
    }
    const locations = this.#readLocations(caseNumber);
    this.#locations.set(caseNumber, locations);
    this.#cachedBytes += bytesOf(locations);
    for (const [oldest, entry] of this.#locations) {
      if (this.#cachedBytes <= LOCATIONS_CACHE_BYTES || oldest === caseNumber) break;
      this.#locations.delete(oldest);
      this.#cachedBytes -= bytesOf(entry);
    }
    return locations;
  }

  #readLocations(caseNumber: number): Uint32Array[] {
    const { id, locationsXxh64 } = this.cases[caseNumber];
    const path = caseFiles(this.dir, id).sidecar;
    let bytes: Buffer;
    try {
      bytes = readFileSync(path);
    } catch (error) {
      throw fileError(path, error);
    }
    const { classes } = decodeSidecar(path, bytes);
    // Other locations would make another stream under the same name.
    if (this.#checksum(...classes.map((entry) => entry.locations)) !== locationsXxh64) {
      throw new StoreError(
        path,
        `its class locations are not those of ${INDEX_FILE}`,
        'Run `voxfeed preprocess` again; it replaces damaged files',
      );
    }
    return classes.map((entry) => entry.locations);
  }
}

function bytesOf(locations: Uint32Array[]): number {
  return locations.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/**
 * Opens a folder that `voxfeed preprocess` wrote.
 * @throws StoreError if it is no whole store: no index, or a file that is missing or has the wrong size.
 */
export async function openStore(dir: string): Promise<Store> {
  const path = join(dir, INDEX_FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw fileError(path, error);
    throw new StoreError(
      dir,
      `it is not a finished voxfeed store (no ${INDEX_FILE})`,
      'Run `voxfeed preprocess RAW_DIR STORE_DIR`; it continues where it stopped',
    );
  }
  const index = parseIndex(path, text);
  await Promise.all(index.cases.map((entry) => checkFiles(dir, entry)));
  const checksum = await hasher();
  return new Store(dir, index, checksum(text), checksum);
}

function parseIndex(path: string, text: string): StoreIndex {
  let index: StoreIndex;
  try {
    index = JSON.parse(text);
  } catch (error) {
    throw new StoreError(path, `it is damaged (${(error as Error).message})`, 'Run `voxfeed preprocess` again', { cause: error });
  }
  if (index?.format !== 'voxfeed-store')
    throw new StoreError(path, 'it is not the index of a voxfeed store', 'Give the folder that `voxfeed preprocess` wrote');
  if (index.version !== 1)
    throw new StoreError(
      path,
      `the store has version ${index.version}, this voxfeed reads version 1`,
      'Preprocess the data set into a new folder',
    );
  const { cases, channels, labels, labelDtype } = index;
  const whole = Array.isArray(cases) && Array.isArray(channels) && Array.isArray(labels?.classes) && ['int8', 'int16'].includes(labelDtype);
  if (!whole || !cases.every(isStoredCase)) {
    throw new StoreError(path, 'it is damaged (fields are missing)', 'Run `voxfeed preprocess` again');
  }
  if (index.cases.length === 0) throw new StoreError(path, 'the store has 0 cases', 'Preprocess a data set with at least one case');
  return index;
}

function isStoredCase(entry: StoredCase | null): boolean {
  const { id, shape, locations, files } = entry ?? {};
  const numbers = [shape, locations].every((list) => Array.isArray(list) && list.every(Number.isInteger));
  return typeof id === 'string' && numbers && [files?.data, files?.segmentation].every((file) => Number.isInteger(file?.bytes));
}

async function checkFiles(dir: string, entry: StoredCase): Promise<void> {
  const paths = caseFiles(dir, entry.id);
  const { data, segmentation } = entry.files;
  const expected: [string, number | null][] = [
    [paths.data, data.bytes],
    [paths.segmentation, segmentation.bytes],
    [paths.sidecar, null],
  ];
  for (const [path, bytes] of expected) {
    const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw fileError(path, error);
      throw new StoreError(path, 'the file is missing', 'Run `voxfeed preprocess` again; it writes what is missing');
    });
    if (bytes !== null && found.size !== bytes) {
      throw new StoreError(
        path,
        `it holds ${found.size} bytes instead of ${bytes}`,
        'Run `voxfeed preprocess` again; it replaces damaged files',
      );
    }
  }
}
