import { join } from 'node:path';
import { xxh64 } from '../common/hash.ts';
import { type CaseFingerprint, type DatasetFingerprint, samplesPerCase, summariseFingerprints } from '../planning/fingerprint.ts';
import { openRawDataset, type RawDataset } from '../raw/raw-dataset.ts';
import { CasePool } from './case-pool.ts';
import type { CaseTask } from './case-task.ts';
import { FINGERPRINT_CACHE, readFingerprint } from './fingerprint-cache.ts';
import { makeFolder, removeEmpty } from './output-folder.ts';
import { checkWorkers, type RunOptions } from './run-options.ts';

export interface FingerprintOptions extends RunOptions {
  /** Keep the fingerprint of each case in this folder, so that an interrupted run goes on where it stopped. */
  outDir?: string;
}

/**
 * Reads every case of a raw data set and gathers what planning needs, equal to nnU-Net's `dataset_fingerprint.json`.
 * @throws DatasetError, CaseError, CasesError (all bad cases at once), MemoryError, FileError
 */
export async function fingerprint(rawDir: string, options: FingerprintOptions = {}): Promise<DatasetFingerprint> {
  const workers = checkWorkers(options.workers);
  const dataset = await openRawDataset(rawDir);
  await using pool = new CasePool(Math.min(workers, dataset.cases.length), options.maxMemoryBytes);
  return summariseFingerprints(await fingerprintCases(pool, dataset, options));
}

/** The fingerprints of all cases, in the order of their ids. */
export async function fingerprintCases(
  pool: CasePool,
  dataset: RawDataset,
  { outDir, onProgress }: FingerprintOptions,
): Promise<CaseFingerprint[]> {
  const { cases, labels, dir } = dataset;
  const samples = samplesPerCase(cases.length);
  const settings = await xxh64(JSON.stringify([samples, labels.values, labels.ignore]));
  const cacheDir = outDir === undefined ? null : join(outDir, FINGERPRINT_CACHE);
  const made = cacheDir === null ? [] : await makeFolder(cacheDir);
  const found = await Promise.all(cases.map((raw) => (cacheDir === null ? null : readFingerprint(cacheDir, raw, settings))));
  const missing = cases.filter((_, i) => found[i] === null);
  const tasks = missing.map((raw): CaseTask => ({ kind: 'fingerprint', raw, labels, samples, settings, cacheDir }));
  const kept = cases.length - tasks.length;
  try {
    const fresh = await pool.run<CaseFingerprint>(dir, tasks, (done) =>
      onProgress?.({ phase: 'fingerprint', done: kept + done, total: cases.length, kept }),
    );
    let next = 0;
    return found.map((fingerprint) => fingerprint ?? fresh[next++]);
  } catch (error) {
    await removeEmpty(made);
    throw error;
  }
}
