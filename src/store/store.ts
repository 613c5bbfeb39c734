import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { fileError, StoreError } from '../common/errors.ts';
import { mapFiles } from '../common/files.ts';
import type { Triple } from '../common/geometry.ts';
import { type Checksum, hasher } from '../common/hash.ts';
import { checkPath, isAddress } from '../common/names.ts';
import type { Plans } from '../plans/plans.ts';
import { readPlans } from '../plans/plans-file.ts';
import type { LabelClass } from '../raw/labels.ts';
import { checkedIndex, completeIndex } from './complete-index.ts';
import { type ArrayFormat, caseFiles, INDEX_FILE } from './file-names.ts';
import { readNnunetFolder, someNnunetCases } from './nnunet/folder.ts';
import { readOneClass } from './one-class.ts';
import { readSidecarFile, type Sidecar } from './sidecar.ts';
import { readIndex, type StoredCase, type StoreIndex, wasWritten } from './store-index.ts';

/** Class locations kept in memory are bounded by this many bytes; they are read again where needed. */
const LOCATIONS_CACHE_BYTES = 256 * 1024 * 1024;
/**
 * Of more cases, files are looked at when they are read, and by `verify`: looking at 300,000 files when a store is opened takes seconds on a
 * local disk, and minutes on a network's.
 */
const MOST_LOOKED_AT = 10_000;

const REWRITE = 'Run `voxfeed preprocess` again; it writes the index anew';

/** What a store is made of. */
interface StoreContent {
  dir: string;
  /** Where arrays are read. */
  arraysDir: string;
  /** Where dataset.json, plans and folds are. */
  aboutDir: string;
  index: StoreIndex;
  plans: Plans | Error | null;
  /** Where sidecars are kept, for messages. */
  sidecarDir: string;
  readSidecar: (caseNumber: number) => Sidecar;
  /** What to do about class locations that are not those of the index. */
  mend: string;
}

/** A preprocessed data set, ready to be sampled. Open one with `openStore`. */
export class Store {
  /** The folder, or the address. */
  readonly dir: string;
  /** The folder that voxels are read from: the same, or one that copies come to. @internal */
  readonly arraysDir: string;
  /** Where dataset.json, plans and folds are: the same folder, or the one above nnU-Net's. */
  readonly aboutDir: string;
  /** The contents of `voxfeed.json`, or what it would hold. */
  readonly index: StoreIndex;
  /** Of all that a stream is made from: voxels, labels, class locations, and what the labels mean. Plans are not among it. */
  readonly hash: string;
  readonly #content: StoreContent;
  readonly #checksum: Checksum;
  /** By case and class. */
  readonly #locations = new LRUCache<number, Uint32Array>({
    maxSize: LOCATIONS_CACHE_BYTES,
    // It demands at least 1.
    sizeCalculation: ({ byteLength }) => Math.max(1, byteLength),
  });

  /** @internal */
  constructor(content: StoreContent, checksum: Checksum) {
    const { dir, arraysDir, aboutDir, index } = content;
    this.dir = dir;
    this.arraysDir = arraysDir;
    this.aboutDir = aboutDir;
    this.index = index;
    this.hash = index.hash;
    this.#content = content;
    this.#checksum = checksum;
  }

  /** The same store, whose cases are read from a folder that they are copied to. @internal */
  readFrom(dir: string): Store {
    // Class locations of nnU-Net's cases are kept elsewhere.
    const ours = wasWritten(this.index) && { sidecarDir: dir, readSidecar: sidecarsOf(dir, this.index, this.#checksum) };
    return new Store({ ...this.#content, arraysDir: dir, ...ours }, this.#checksum);
  }

  /** The plans that lie in its folder; null for a store without. @throws PlansError, FileError if they cannot be read */
  get plans(): Plans | null {
    // Parsed once, when the store was opened; why they could not be is told when they are asked for.
    const { plans } = this.#content;
    if (plans instanceof Error) throw plans;
    return plans;
  }

  /** Ascending by id. Case numbers are positions in this list. */
  get cases(): readonly StoredCase[] {
    return this.index.cases;
  }

  /** What patches can be centred on. Class numbers are positions in this list. */
  get classes(): readonly LabelClass[] {
    return this.index.labels.classes;
  }

  /** The most memory that cached class locations may take, in bytes. */
  get locationsBytes(): number {
    let bytes = 0;
    for (const { locations } of this.cases) {
      for (const count of locations) bytes += 4 * count;
      if (bytes >= LOCATIONS_CACHE_BYTES) return LOCATIONS_CACHE_BYTES;
    }
    return bytes;
  }

  /** The voxel [z, y, x] at `position` of the stored locations of a class of a case. @throws StoreError */
  location(caseNumber: number, classNumber: number, position: number): Triple {
    const [, height, width] = this.cases[caseNumber].shape;
    const flat = this.flatLocations(caseNumber, classNumber)[position];
    return [Math.floor(flat / (height * width)), Math.floor(flat / width) % height, flat % width];
  }

  /**
   * All stored locations of a class of a case, as flat indices into its volume [z, y, x]. Reading is synchronous: a plan must be made in
   * one go, and they are few (40 kB) beside the voxels that the plan is about to read.
   * @throws StoreError
   */
  flatLocations(caseNumber: number, classNumber: number): Uint32Array {
    const key = caseNumber * this.classes.length + classNumber;
    const known = this.#locations.get(key);
    if (known) return known;
    const entry = this.cases[caseNumber];
    const alone = readOneClass(caseFiles(this.#content.sidecarDir, entry.id).sidecar, entry, classNumber, this.#checksum);
    if (alone !== null) {
      this.#locations.set(key, alone);
      return alone;
    }
    // Each for itself: they leave one by one.
    const all = this.#readLocations(caseNumber).map((locations) => locations.slice());
    for (const [i, locations] of all.entries()) this.#locations.set(key - classNumber + i, locations);
    return all[classNumber];
  }

  /** Everything about a case besides its voxels. @throws StoreError, FileError */
  sidecar(caseNumber: number): Sidecar {
    return this.#content.readSidecar(caseNumber);
  }

  #readLocations(caseNumber: number): Uint32Array[] {
    const { id, locationsXxh64 } = this.cases[caseNumber];
    const { classes } = this.sidecar(caseNumber);
    // Other locations would make another stream under the same name.
    if (this.#checksum(...classes.map((entry) => entry.locations)) !== locationsXxh64)
      throw new StoreError(
        caseFiles(this.#content.sidecarDir, id).sidecar,
        'its class locations are not those of the index',
        this.#content.mend,
      );
    return classes.map((entry) => entry.locations);
  }
}

function sidecarsOf(dir: string, { cases }: StoreIndex, checksum: Checksum): StoreContent['readSidecar'] {
  return (caseNumber) => readSidecarFile(caseFiles(dir, cases[caseNumber].id).sidecar, checksum);
}

/**
 * Opens a folder that `voxfeed preprocess` wrote, or one that nnU-Net preprocessed into: `nnUNet_preprocessed/DATASET/nnUNetPlans_3d_fullres`,
 * as it lies, with `.b2nd`, `.npy` or `.npz` files (docs/preprocessing.md#a-folder-of-nnu-nets). Or a store at an address, https://host/folder
 * or s3://bucket/folder (docs/storage.md), of which loaders copy cases to their `localCache`.
 * @throws StoreError if it is no whole store: no index, or a file that is missing or has the wrong size; DatasetError, PlansError for
 * what lies above nnU-Net's folder; FileError
 * @example
 * ```ts
 * const store = await openStore('store');
 * for (const { id, shape } of store.cases) console.log(id, shape);
 * ```
 */
export async function openStore(dir: string): Promise<Store> {
  if (isAddress(dir)) return openAt(dir);
  checkPath('dir', dir);
  const path = join(dir, INDEX_FILE);
  const text = await readIndex(path);
  if (text === null) {
    const folder = await readNnunetFolder(dir, await someNnunetCases(dir));
    return new Store({ ...folder, arraysDir: folder.dir }, await hasher());
  }
  const checksum = await hasher();
  const index = await completeIndex(checkedIndex(path, text, checksum, REWRITE), dir, checksum, REWRITE);
  if (index.cases.length <= MOST_LOOKED_AT) await mapFiles(index.cases, (entry) => checkFiles(dir, entry, index.arrays));
  const plans = await plansOf(dir, index);
  const mend = 'Run `voxfeed preprocess` again; it replaces damaged files';
  const readSidecar = sidecarsOf(dir, index, checksum);
  return new Store({ dir, arraysDir: dir, aboutDir: dir, index, plans, sidecarDir: dir, readSidecar, mend }, checksum);
}

/** A store at an address: of its cases nothing is here yet. */
async function openAt(text: string): Promise<Store> {
  // Whoever opens a folder loads none of it.
  const { openRemoteStore } = await import('./remote-store.ts');
  const checksum = await hasher();
  const { address, index, aboutDir } = await openRemoteStore(text, checksum);
  const readSidecar = (caseNumber: number): Sidecar => {
    throw new StoreError(
      address,
      `of case ${index.cases[caseNumber].id} nothing is on this machine`,
      'Read it through a loader with `localCache`',
    );
  };
  const plans = await plansOf(aboutDir, index);
  const mend = 'Copy the whole store there again';
  return new Store({ dir: address, arraysDir: address, aboutDir, index, plans, sidecarDir: address, readSidecar, mend }, checksum);
}

/** Damaged plans are no concern of those who give patch and batch size themselves. */
async function plansOf(dir: string, { plans }: StoreIndex): Promise<StoreContent['plans']> {
  return plans === null ? null : readPlans(join(dir, plans)).catch((error: Error) => error);
}

async function checkFiles(dir: string, entry: StoredCase, format?: ArrayFormat): Promise<void> {
  const paths = caseFiles(dir, entry.id, format);
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
