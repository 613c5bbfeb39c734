import { readFile } from 'node:fs/promises';
import { fileError, StoreError } from '../common/errors.ts';
import type { Triple } from '../common/geometry.ts';
import type { Checksum } from '../common/hash.ts';
import type { LargestBlock } from '../formats/b2nd/head.ts';
import { isWide, type Labels } from '../raw/labels.ts';
import { ARRAY_FORMATS, type ArrayFormat } from './file-names.ts';
import type { Coverage, Sidecar, StoredFile } from './sidecar.ts';

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
  /** How often random patches of the planned sizes hold foreground; empty where that was not measured. */
  coverage: Coverage[];
}

/** The index of a store, `voxfeed.json`. It is written last, so its presence says that the store is whole. */
export interface StoreIndex {
  format: 'voxfeed-store';
  version: 2;
  name: string;
  channels: string[];
  labels: Labels;
  labelDtype: 'int8' | 'int16';
  /** How the voxels are stored. Default: npy. */
  arrays?: ArrayFormat;
  /** Of all .b2nd files, where there are any: how much memory it takes to read them. */
  largestBlock?: LargestBlock;
  /** What the cases were written with, for a person to read. */
  options: unknown;
  optionsHash: string;
  /** The configuration of the plans that the cases were written for, and the plans' file name; null without plans. */
  configuration: string | null;
  plans: string | null;
  cases: StoredCase[];
  /** The JSON files beside it, by name. */
  files: Record<string, StoredFile>;
  /** Of all the rest. */
  xxh64: string;
}

export function labelDtype(labels: Labels): StoreIndex['labelDtype'] {
  return isWide(labels) ? 'int16' : 'int8';
}

/** What the index says of a case. */
export function listCase(checksum: Checksum, { id, shape, spacing, classes, files, coverage }: Omit<Sidecar, 'xxh64'>): StoredCase {
  const locations = classes.map((entry) => entry.locations);
  return {
    id,
    shape,
    spacing,
    locations: locations.map(({ length }) => length),
    locationsXxh64: checksum(...locations),
    files,
    coverage,
  };
}

export function encodeIndex(checksum: Checksum, index: Omit<StoreIndex, 'xxh64'>): string {
  return `${JSON.stringify({ ...index, xxh64: indexChecksum(checksum, index) }, null, 1)}\n`;
}

/** Of what the cases hold; the same for two stores that make the same streams. */
export function contentHash(checksum: Checksum, { channels, labels, labelDtype, cases }: StoreIndex): string {
  return checksum(JSON.stringify([channels, labels, labelDtype, cases.map(({ coverage: _, ...content }) => content)]));
}

/** Finds damage anywhere in an index that can still be parsed. */
export function indexChecksum(checksum: Checksum, { xxh64: _, ...rest }: Omit<StoreIndex, 'xxh64'> & { xxh64?: string }): string {
  return checksum(JSON.stringify(rest));
}

/** The index of a store of ours; null in any other folder. @throws FileError */
export async function readIndex(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw fileError(path, error);
  }
}

/** @throws StoreError naming `path` */
export function parseIndex(path: string, text: string): StoreIndex {
  let index: StoreIndex;
  try {
    index = JSON.parse(text);
  } catch (error) {
    throw new StoreError(path, `it is damaged (${(error as Error).message})`, 'Run `voxfeed preprocess` again', { cause: error });
  }
  if (index?.format !== 'voxfeed-store')
    throw new StoreError(path, 'it is not the index of a voxfeed store', 'Give the folder that `voxfeed preprocess` wrote');
  if (index.version !== 2)
    throw new StoreError(
      path,
      `the store has version ${index.version}, this voxfeed reads version 2`,
      'Preprocess the data set into a new folder',
    );
  const { cases, channels, labels, labelDtype, arrays = 'npy', largestBlock, configuration, plans, files } = index;
  const whole =
    [cases, channels, labels?.classes].every(Array.isArray) &&
    ['int8', 'int16'].includes(labelDtype) &&
    ARRAY_FORMATS.includes(arrays) &&
    (arrays !== 'b2nd' || (Number.isInteger(largestBlock?.bytes) && Number.isInteger(largestBlock?.channels))) &&
    [configuration, plans].every((name) => name === null || typeof name === 'string') &&
    typeof files === 'object' &&
    files !== null &&
    Object.values(files).every((file) => Number.isInteger(file?.bytes));
  if (!whole || !cases.every(isStoredCase)) {
    throw new StoreError(path, 'it is damaged (fields are missing)', 'Run `voxfeed preprocess` again');
  }
  if (index.cases.length === 0) throw new StoreError(path, 'the store has 0 cases', 'Preprocess a data set with at least one case');
  return index;
}

function isStoredCase(entry: StoredCase | null): boolean {
  const { id, shape, locations, files, coverage } = entry ?? {};
  const numbers = [shape, locations].every((list) => Array.isArray(list) && list.every(Number.isInteger));
  return (
    typeof id === 'string' &&
    numbers &&
    Array.isArray(coverage) &&
    [files?.data, files?.segmentation].every((file) => Number.isInteger(file?.bytes))
  );
}
