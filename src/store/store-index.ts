import { readFile } from 'node:fs/promises';
import { fileError } from '../common/errors.ts';
import type { Triple } from '../common/geometry.ts';
import type { Checksum } from '../common/hash.ts';
import { jsonPieces, listPieces } from '../common/json-pieces.ts';
import type { LargestBlock } from '../formats/b2nd/head.ts';
import type { Line } from '../formats/int16.ts';
import { isWide, type Labels } from '../raw/labels.ts';
import type { ArrayFormat, ImageDtype } from './file-names.ts';
import type { MeanCoverage } from './mean-coverage.ts';
import { checksumsOf } from './one-class.ts';
import type { Coverage, Sidecar, StoredFile } from './sidecar.ts';

/** One case as the store's index lists it. */
export interface StoredCase {
  id: string;
  shape: Triple;
  spacing: Triple;
  /** How many locations are stored per class of `labels.classes`; patches can only be forced onto classes with some. */
  locations: Uint32Array;
  /** xxHash64 over all of them. (Not of the file they are in: it also says when its sources were modified.) */
  locationsXxh64: string;
  /** xxHash64 over the checksums of the locations of each class, which one class is read by; left out of cases of version 2. */
  classesXxh64?: string;
  files: { data: StoredFile; segmentation: StoredFile };
  /** What the int16 of its image stand for, one entry a channel; left out where they are none. */
  lines?: Line[];
}

/** A case that was written, before it is in an index. */
export interface ListedCase extends StoredCase {
  /** How often random patches of the planned sizes hold foreground; empty where that was not measured. */
  coverage: Coverage[];
}

/** The index of a store, `voxfeed.json`. It is written last, so its presence says that the store is whole. */
export interface StoreIndex {
  format: 'voxfeed-store';
  version: 3;
  name: string;
  channels: string[];
  labels: Labels;
  labelDtype: 'int8' | 'int16';
  /** Of the images, where it is not float32. */
  imageDtype?: Exclude<ImageDtype, 'float32'>;
  /** What files the voxels are in; left out for .npy files of ours. */
  arrays?: ArrayFormat;
  /** Of its .b2nd files: how much memory it takes to read them. */
  largestBlock?: LargestBlock;
  /** What the cases were written with, for a person to read. */
  options: unknown;
  optionsHash: string;
  /** The configuration of the plans that the cases were written for, and the plans' file name; null without plans. */
  configuration: string | null;
  plans: string | null;
  /** See `contentHash`. */
  hash: string;
  /** For each planned size of patches; empty where nothing was measured. */
  coverage: MeanCoverage[];
  cases: StoredCase[];
  /** The files beside it that are about all cases, by name. */
  files: Record<string, StoredFile>;
  /** Of all the rest. */
  xxh64: string;
}

/** Whether it was written: of nnU-Net's folders it is made up when they are opened, and knows no checksums. */
export function wasWritten({ xxh64 }: Pick<StoreIndex, 'xxh64'>): boolean {
  return xxh64 !== '';
}

export function labelDtype(labels: Labels): StoreIndex['labelDtype'] {
  return isWide(labels) ? 'int16' : 'int8';
}

/** What the index says of a case. */
export function listCase(checksum: Checksum, { id, version, shape, spacing, classes, files, lines, coverage }: Sidecar): ListedCase {
  const locations = classes.map((entry) => entry.locations);
  return {
    id,
    shape,
    spacing,
    locations: Uint32Array.from(locations, ({ length }) => length),
    locationsXxh64: checksum(...locations),
    ...(version === 3 && { classesXxh64: checksum(checksumsOf(classes, checksum)) }),
    files,
    ...(lines !== undefined && { lines }),
    coverage,
  };
}

/** Whether a sidecar is the one that an index lists. */
export function isListed(checksum: Checksum, sidecar: Sidecar, entry: Omit<StoredCase, 'locations'>): boolean {
  const found = listCase(checksum, sidecar);
  return (['id', 'locationsXxh64', 'classesXxh64'] as const).every((key) => found[key] === entry[key]);
}

/** Of what the cases hold; the same for two stores that make the same streams, whichever version they are written in. */
export function contentHash(checksum: Checksum, { channels, labels, labelDtype, cases }: Omit<StoreIndex, 'hash'>): string {
  const about = JSON.stringify([channels, labels, labelDtype]);
  const content = ({ id, shape, spacing, locations, locationsXxh64, files, lines }: StoredCase): unknown => {
    return { id, shape, spacing, locations: Array.from(locations), locationsXxh64, files, lines };
  };
  return checksum(`${about.slice(0, -1)},`, listPieces(cases, content), ']');
}

/** Finds damage anywhere in an index that can still be parsed. */
export function indexChecksum(checksum: Checksum, { xxh64: _, ...rest }: object & { xxh64?: string }): string {
  return checksum(jsonPieces(rest));
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
