import { readFile } from 'node:fs/promises';
import * as v from 'valibot';
import { fileError, StoreError } from '../common/errors.ts';
import type { Triple } from '../common/geometry.ts';
import type { Checksum } from '../common/hash.ts';
import { checkContents, parseJson } from '../common/json-file.ts';
import { fileName } from '../common/names.ts';
import { faultOf, shown } from '../common/options.ts';
import { byName, list, object, oneOf, text, that, wholeNumber } from '../common/schemas.ts';
import type { LargestBlock } from '../formats/b2nd/head.ts';
import type { Line } from '../formats/int16.ts';
import { isWide, type Labels } from '../raw/labels.ts';
import type { ArrayFormat, ImageDtype } from './file-names.ts';
import { anyText, coverage, hash, labels, lines, shape, spacing, storedFile, writtenOptions } from './file-schemas.ts';
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
  /** What the int16 of its image stand for, one entry a channel; left out where they are none. */
  lines?: Line[];
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
  cases: StoredCase[];
  /** The JSON files beside it, by name. */
  files: Record<string, StoredFile>;
  /** Of all the rest. */
  xxh64: string;
}

/** Whether it was written: of nnU-Net's folders it is made up when they are opened, and knows no checksums. */
export function wasWritten({ xxh64 }: StoreIndex): boolean {
  return xxh64 !== '';
}

export function labelDtype(labels: Labels): StoreIndex['labelDtype'] {
  return isWide(labels) ? 'int16' : 'int8';
}

/** What the index says of a case. */
export function listCase(checksum: Checksum, { id, shape, spacing, classes, files, lines, coverage }: Omit<Sidecar, 'xxh64'>): StoredCase {
  const locations = classes.map((entry) => entry.locations);
  return {
    id,
    shape,
    spacing,
    locations: locations.map(({ length }) => length),
    locationsXxh64: checksum(...locations),
    files,
    ...(lines !== undefined && { lines }),
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

const AGAIN = 'Run `voxfeed preprocess` again';

const KIND = object({ format: that('that of a store', (format) => format === 'voxfeed-store') });

const INDEX = object({
  name: anyText(),
  channels: list(anyText()),
  labels: labels(),
  labelDtype: oneOf(['int8', 'int16']),
  imageDtype: v.optional(oneOf(['float16', 'int16'])),
  arrays: v.optional(oneOf(['b2nd'])),
  largestBlock: v.optional(object({ bytes: wholeNumber(1, 2 ** 31), channels: wholeNumber(1, 1) })),
  options: writtenOptions(),
  optionsHash: anyText(),
  configuration: v.nullable(text()),
  plans: v.nullable(fileName()),
  cases: list(v.unknown()),
  files: byName(storedFile(), fileName()),
  xxh64: hash(),
});

const CASE = object({
  id: fileName(),
  shape: shape(),
  spacing: spacing(),
  locations: list(wholeNumber(0, 2 ** 32)),
  locationsXxh64: hash(),
  files: object({ data: storedFile(), segmentation: storedFile() }),
  lines: v.optional(lines()),
  coverage: coverage(),
});

/**
 * @param action what to do about damage
 * @throws StoreError naming `path` and the place within it. Whether its checksum is right is for `indexChecksum` to say.
 */
export function parseIndex(path: string, content: string, action = AGAIN): StoreIndex {
  const refusal = { Failure: StoreError, action };
  const index = parseJson(path, content, v.unknown(), refusal) as StoreIndex;
  if (faultOf(KIND, index) !== null)
    throw new StoreError(path, 'it is not the index of a voxfeed store', 'Give the folder that `voxfeed preprocess` wrote');
  if (index.version !== 2)
    throw new StoreError(
      path,
      `the store has version ${shown(index.version)}, this voxfeed reads version 2`,
      'Preprocess the data set into a new folder',
    );
  checkContents(path, index, INDEX, refusal);
  const { cases, labels, channels } = index;
  // One by one: a schema copies what it checks, and there may be 100,000 of them.
  for (const [number, entry] of cases.entries()) checkContents(path, entry, CASE, refusal, `cases[${number}]`);
  if (cases.length === 0) throw new StoreError(path, 'the store has 0 cases', 'Preprocess a data set with at least one case');
  if (channels.length === 0) throw new StoreError(path, 'the store has 0 channels', action);
  const odd = cases.findIndex(({ locations }) => locations.length !== labels.classes.length);
  if (odd >= 0) throw new StoreError(path, `cases[${odd}].locations: there is not one for each class of \`labels\``, action);
  const unmapped = cases.findIndex(({ lines }) => lines?.length !== (index.imageDtype === 'int16' ? channels.length : undefined));
  if (unmapped >= 0) throw new StoreError(path, `cases[${unmapped}].lines: there is not one for each channel of int16`, action);
  return index;
}
