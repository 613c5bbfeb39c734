import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PARTIAL } from '../common/atomic-file.ts';
import { PlansError, StoreError } from '../common/errors.ts';
import { ifThere, mapFiles } from '../common/files.ts';
import { makeFolder } from '../common/folders.ts';
import { xxh64 } from '../common/hash.ts';
import { type Part, partOf } from '../common/part.ts';
import type { Configuration } from '../plans/plans-file.ts';
import type { RawDataset } from '../raw/raw-dataset.ts';
import type { Reader, Reading } from '../raw/readers.ts';
import { fileNames } from '../store/file-names.ts';
import { propertiesPath } from '../store/nnunet/write-case.ts';
import type { CasePool } from './case-pool.ts';
import type { CaseTask } from './case-task.ts';
import type { ChosenPlans } from './choose-plans.ts';
import type { Share } from './parts.ts';
import { findWritten, type NnunetOptions } from './preprocess-nnunet-case.ts';
import type { RunOptions } from './run-options.ts';

/** A configuration's folder, and what is to be written there. */
export interface ConfigurationFolder {
  configuration: Configuration;
  dir: string;
  options: NnunetOptions;
  optionsHash: string;
  pending: RawDataset['cases'];
}

/** @throws StoreError where a file lies in it that this run would not write */
export async function findFolder(
  dataset: RawDataset,
  datasetDir: string,
  configuration: Configuration,
  reader: Reader,
  { path }: ChosenPlans,
  part?: Part,
): Promise<ConfigurationFolder> {
  const { labels, channels } = dataset;
  const cases = partOf(dataset.cases, part);
  const { normalisation, transpose, spacing, resampling, patchSize, dataIdentifier } = configuration;
  if (dataIdentifier === null || !/^[\w.-]+$/.test(dataIdentifier))
    throw new PlansError(path, `configuration ${configuration.name}: "data_identifier" names no folder`, 'Write the plans again');
  const dir = join(datasetDir, dataIdentifier);
  const voxels = { labels, channels, normalisation, transpose, spacing, resampling, reader };
  const options: NnunetOptions = { ...voxels, patchSize };
  // nnU-Net's planners have the same folder, and other patches: any way to divide a file will do for those.
  const optionsHash = await xxh64(JSON.stringify(voxels));
  const found = await mapFiles(cases, (raw) => findWritten(raw, optionsHash, dir));
  const action = 'Remove that folder, or choose another one';
  for (const [i, { id }] of cases.entries()) {
    if (found[i] === 'another writer') throw new StoreError(dir, `its case ${id} was not written by voxfeed`, action);
    if (found[i] === 'other options')
      throw new StoreError(dir, `its case ${id} was written with other options (plans, channels, labels or reader)`, action);
  }
  const own = new Set(dataset.cases.flatMap(({ id }) => Object.values({ ...fileNames(id, 'b2nd'), sidecar: propertiesPath('', id) })));
  // nnU-Net would take every case that lies there.
  const other = (await namesIn(dir)).find((name) => !own.has(name) && !name.endsWith(PARTIAL));
  if (other !== undefined) throw new StoreError(join(dir, other), 'it belongs to no case of the raw data set', 'Remove it');
  return { configuration, dir, options, optionsHash, pending: cases.filter((_, i) => found[i] !== 'finished') };
}

async function namesIn(dir: string): Promise<string[]> {
  return (await ifThere(dir, readdir(dir))) ?? [];
}

/** Writes all cases that are not there yet, or those of the part. */
export async function writeFolders(
  pool: CasePool,
  { cases, dir: rawDir }: RawDataset,
  folders: readonly ConfigurationFolder[],
  reading: Reading,
  { part, onProgress }: Share & Pick<RunOptions, 'onProgress'>,
): Promise<void> {
  for (const { dir } of folders) await makeFolder(dir, part);
  const tasks = folders.flatMap(({ pending, options, optionsHash, dir }) =>
    pending.map((raw): CaseTask => ({ kind: 'write-nnunet', raw, reading, options, optionsHash, dir })),
  );
  const total = folders.length * partOf(cases, part).length;
  const kept = total - tasks.length;
  await pool.run<void>(rawDir, tasks, (done) => onProgress?.({ phase: 'preprocess', done: kept + done, total, kept }));
}
