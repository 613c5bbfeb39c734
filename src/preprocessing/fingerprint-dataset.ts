import { join } from 'node:path';
import { mapFiles } from '../common/files.ts';
import { makeFolder, openFolder, removeEmpty } from '../common/folders.ts';
import { xxh64 } from '../common/hash.ts';
import { checkOptions, type Given, type OptionTable } from '../common/options.ts';
import { partOf } from '../common/part.ts';
import { text } from '../common/schemas.ts';
import { type CaseFingerprint, type DatasetFingerprint, samplesPerCase, summariseFingerprints } from '../planning/fingerprint.ts';
import { openRawDataset, type RawDataset, readingOf } from '../raw/raw-dataset.ts';
import { CasePool } from './case-pool.ts';
import type { CaseTask } from './case-task.ts';
import { FINGERPRINT_CACHE, readFingerprint } from './fingerprint-cache.ts';
import { refuseMissing, type Share } from './parts.ts';
import { RUN_OPTIONS, workersFor } from './run-options.ts';

export const FINGERPRINT_OPTIONS = {
  /** Keep the fingerprint of each case in this folder, so that an interrupted run goes on where it stopped. */
  outDir: {
    schema: text('the path of a folder'),
    otherwise: 'nothing is kept',
    help: 'keep the fingerprint of each case in this folder, so that an interrupted run goes on where it stopped',
  },
  ...RUN_OPTIONS,
} as const satisfies OptionTable;

/** Where to keep what is found, and what the run may take. */
export interface FingerprintOptions extends Given<typeof FINGERPRINT_OPTIONS> {}

/**
 * Reads every case of a raw data set and gathers what planning needs, equal to nnU-Net's `dataset_fingerprint.json`.
 * @throws OptionError, DatasetError, CaseError, CasesError (all bad cases at once), MemoryError, FileError
 */
export async function fingerprint(rawDir: string, options: FingerprintOptions = {}): Promise<DatasetFingerprint> {
  checkOptions(FINGERPRINT_OPTIONS, options);
  const dataset = await openRawDataset(rawDir);
  await using _folder = options.outDir === undefined ? null : await openFolder(options.outDir);
  await using pool = new CasePool(workersFor(options, dataset.cases), options.maxMemoryBytes);
  return summariseFingerprints(await fingerprintCases(pool, dataset, options));
}

/**
 * The fingerprints of all cases or those of a part, in the order of their ids.
 * @throws StoreError where parts are put together and cases are missing
 */
export async function fingerprintCases(
  pool: CasePool,
  dataset: RawDataset,
  { outDir, onProgress, strictGeometry, strictVoxels, part, finish }: FingerprintOptions & Share,
): Promise<CaseFingerprint[]> {
  const { labels, dir } = dataset;
  const cases = partOf(dataset.cases, part);
  const reading = readingOf(dataset, { strictGeometry, strictVoxels });
  const samples = samplesPerCase(dataset.cases.length);
  const settings = await xxh64(JSON.stringify([samples, labels.values, labels.ignore, reading]));
  const cacheDir = outDir === undefined ? null : join(outDir, FINGERPRINT_CACHE);
  const made = cacheDir === null ? [] : await makeFolder(cacheDir, part);
  const found = await mapFiles(cases, async (raw) => (cacheDir === null ? null : readFingerprint(cacheDir, raw, settings)));
  const missing = cases.filter((_, i) => found[i] === null);
  if (finish && outDir !== undefined) refuseMissing(outDir, missing, cases.length);
  const tasks = missing.map((raw): CaseTask => ({ kind: 'fingerprint', raw, reading, labels, samples, settings, cacheDir }));
  const kept = cases.length - tasks.length;
  try {
    const fresh = await pool.run<CaseFingerprint>(dir, tasks, (done) =>
      onProgress?.({ phase: 'fingerprint', done: kept + done, total: cases.length, kept }),
    );
    let next = 0;
    for (const { notes } of found.flatMap((cached) => cached ?? [])) pool.note(notes);
    return found.map((cached) => cached?.fingerprint ?? fresh[next++]);
  } catch (error) {
    await removeEmpty(made);
    throw error;
  }
}
