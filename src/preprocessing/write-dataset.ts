import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../common/atomic-file.ts';
import { fileError, StoreError } from '../common/errors.ts';
import { ifThere, mapFiles } from '../common/files.ts';
import type { Triple } from '../common/geometry.ts';
import { xxh64 } from '../common/hash.ts';
import { partOf } from '../common/part.ts';
import type { Plans } from '../plans/plans.ts';
import type { Configuration } from '../plans/plans-file.ts';
import type { RawCase, RawDataset } from '../raw/raw-dataset.ts';
import { type Reading, readersFor } from '../raw/readers.ts';
import { DATASET_FILE, FINGERPRINT_FILE, INDEX_FILE, plansFile, SPLITS_FILE } from '../store/file-names.ts';
import { parseIndex } from '../store/parse-index.ts';
import type { StoredFile } from '../store/sidecar.ts';
import { describeStorage, type ImageDtype, type WRITTEN_ARRAYS } from '../store/storage.ts';
import { type ListedCase, labelDtype } from '../store/store-index.ts';
import type { CasePool } from './case-pool.ts';
import type { CaseTask } from './case-task.ts';
import type { StoreOptions } from './grid.ts';
import { writeJson } from './output-folder.ts';
import { refuseMissing, type Share } from './parts.ts';
import { copyDescription } from './plan-dataset.ts';
import { findFinished, storageOf } from './preprocess-case.ts';
import type { RunOptions } from './run-options.ts';
import { chooseSplits } from './splits.ts';
import { writeIndex } from './write-index.ts';

/** What a store is written from. */
export interface StoreRequest {
  dataset: RawDataset;
  outDir: string;
  plans: Plans;
  configuration: Configuration;
  /** Sizes of patches that may be drawn from it, in three axes. */
  patches: Triple[];
  /** How its files are read. */
  reading: Reading;
  /** How its arrays are written. */
  dtype: ImageDtype;
  arrays: (typeof WRITTEN_ARRAYS)[number];
}

type WriteOptions = Share & Pick<RunOptions, 'onProgress'>;

/**
 * Writes the cases that are not finished yet, then the files about all of them, the index last. A part writes its cases and nothing
 * else, `finish` everything but cases.
 * @returns all cases or those of the part, in the order of their ids, and how many of them were written now
 * @throws StoreError for `finish` where cases are missing
 */
export async function writeDataset(
  pool: CasePool,
  request: StoreRequest,
  share: WriteOptions,
): Promise<{ entries: ListedCase[]; written: number; notes: string[]; options: StoreOptions }> {
  const { dataset, outDir, configuration, reading, dtype, arrays } = request;
  const { labels, channels } = dataset;
  const { normalisation, transpose, spacing, resampling } = configuration;
  const other = reading.reader !== readersFor(dataset.ending)[0];
  const options: StoreOptions = {
    ...{ labels, channels, normalisation, transpose, spacing, resampling },
    ...(other && { reader: reading.reader }),
    ...(dtype !== 'float32' && { dtype }),
    ...(arrays !== 'npy' && { arrays }),
  };
  const optionsHash = await xxh64(JSON.stringify(options));
  const { splits, notes } = await chooseSplits(dataset, outDir);
  const { entries, written } = await writeCases(pool, request, options, optionsHash, share);
  if (share.part !== undefined) {
    // The index of another run will list them.
    await syncFolder(outDir).catch((error) => {
      throw fileError(outDir, error);
    });
    return { entries, written, notes, options };
  }
  const files: Record<string, StoredFile> = {
    ...(await writeAbout(request)),
    ...(splits.length > 0 && { [SPLITS_FILE]: await writeJson(join(outDir, SPLITS_FILE), splits) }),
  };
  await writeIndex(outDir, {
    name: dataset.name,
    channels,
    labels,
    labelDtype: labelDtype(labels),
    ...describeStorage(
      storageOf(options, request.patches),
      entries.map(({ shape }) => shape),
      labelDtype(labels),
    ),
    options: { normalisation, transpose, spacing, resampling },
    optionsHash,
    configuration: configuration.name,
    plans: plansFile(request.plans),
    cases: entries,
    files,
  });
  return { entries, written, notes, options };
}

async function writeCases(
  pool: CasePool,
  { dataset, outDir, patches, reading }: StoreRequest,
  options: StoreOptions,
  optionsHash: string,
  { part, finish, onProgress }: WriteOptions,
): Promise<{ entries: ListedCase[]; written: number }> {
  const { dir } = dataset;
  const cases = partOf(dataset.cases, part);
  const finished = await mapFiles(cases, (raw) => findFinished(raw, { options, optionsHash, patches, outDir }));
  const other = cases.find((_, i) => finished[i].state === 'other options');
  if (other) {
    throw new StoreError(
      outDir,
      `its case ${other.id} was written with other options (spacing, normalisation, channels, labels, reader, dtype or arrays)`,
      'Choose another folder, or empty this one',
    );
  }
  const pending = cases.filter((_, i) => finished[i].state !== 'finished');
  if (finish) refuseMissing(outDir, pending, cases.length);
  await retireIndex(outDir, pending);
  const kept = cases.length - pending.length;
  const tasks = pending.map((raw): CaseTask => ({ kind: 'write', raw, reading, options, optionsHash, patches, outDir }));
  const written = await pool.run<ListedCase>(dir, tasks, (done) =>
    onProgress?.({ phase: 'preprocess', done: kept + done, total: cases.length, kept }),
  );
  const entries = [...finished.flatMap((found) => (found.state === 'finished' ? [found.entry] : [])), ...written];
  return { entries: entries.sort((a, b) => (a.id < b.id ? -1 : 1)), written: written.length };
}

/** Takes an index away that lists a case which is about to be written again; cases that are new do not concern it. */
async function retireIndex(outDir: string, pending: readonly RawCase[]): Promise<void> {
  const path = join(outDir, INDEX_FILE);
  const index = await ifThere(path, readFile(path, 'utf8'));
  if (index !== null && pending.some(({ id }) => idsIn(path, index)?.includes(id) ?? true))
    await rm(path, { force: true }).catch((error) => {
      throw fileError(path, error);
    });
}

/** Null for an index that is damaged: it may list any case. */
function idsIn(path: string, index: string): string[] | null {
  try {
    return parseIndex(path, index).cases.map(({ id }) => id);
  } catch {
    return null;
  }
}

/** dataset.json and the plans; and the fingerprint, if the plans were made here. */
async function writeAbout({ dataset, outDir, plans }: StoreRequest): Promise<Record<string, StoredFile>> {
  const fingerprint = await ifThere(join(outDir, FINGERPRINT_FILE), readFile(join(outDir, FINGERPRINT_FILE)));
  return {
    [DATASET_FILE]: await copyDescription(dataset, outDir),
    [plansFile(plans)]: await writeJson(join(outDir, plansFile(plans)), plans),
    ...(fingerprint !== null && { [FINGERPRINT_FILE]: { bytes: fingerprint.length, xxh64: await xxh64(fingerprint) } }),
  };
}
