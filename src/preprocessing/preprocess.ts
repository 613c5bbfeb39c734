import { access, constants, mkdir, readdir, readFile, rm, rmdir, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { Piscina } from 'piscina';
import { xxh64 } from '../dataset/hash.ts';
import { openRawDataset, type RawCase, type RawDataset } from '../dataset/raw-dataset.ts';
import { INDEX_FILE, type StoredCase, type StoreIndex } from '../dataset/store.ts';
import {
  CasesError,
  FileError,
  fileError,
  OptionError,
  type PackedError,
  StoreError,
  unpack,
  VoxfeedError,
  WorkerError,
} from '../errors.ts';
import { type CaseFingerprint, samplesPerCase } from '../planning/fingerprint.ts';
import { chooseNormalisation, schemeOf } from '../planning/normalisation.ts';
import { workerFile } from '../worker-file.ts';
import { PARTIAL, writeAtomic } from './atomic-file.ts';
import { findFinished, type StoreOptions } from './preprocess-case.ts';

export interface PreprocessOptions {
  /** Worker threads; default: one per core. */
  workers?: number;
  onProgress?: (progress: Progress) => void;
}

export interface Progress {
  phase: 'fingerprint' | 'preprocess';
  done: number;
  total: number;
}

export interface PreprocessReport {
  dir: string;
  cases: number;
  /** Written now; the others were there already. */
  written: number;
  notes: string[];
  options: StoreOptions;
}

/** What a preprocess worker is asked to do with one case. */
export type PreprocessTask =
  | { kind: 'fingerprint'; raw: RawCase; labels: StoreOptions['labels']; samples: number; wanted: boolean[] }
  | { kind: 'write'; raw: RawCase; options: StoreOptions; optionsHash: string; outDir: string };

/** Its answer: exactly one of the two is set. */
export interface PreprocessAnswer<T> {
  result?: T;
  error?: PackedError;
}

/**
 * Turns a raw nnU-Net data set into a store, one case a task. Interrupted at any moment, it continues where it stopped: finished
 * cases stay, the index comes last.
 * @throws DatasetError, CaseError, CasesError (all bad cases at once), StoreError (the folder holds a store written for other
 * options), FileError (a full disk stops the run at once).
 */
export async function preprocess(
  rawDir: string,
  outDir: string,
  { workers = availableParallelism(), onProgress = () => {} }: PreprocessOptions = {},
): Promise<PreprocessReport> {
  if (!Number.isInteger(workers) || workers < 1)
    throw new OptionError(
      'workers',
      `${workers} is not a whole number above 0`,
      'Give the number of worker threads, for example the number of cores',
    );
  const dataset = await openRawDataset(rawDir);
  await checkFolder(outDir, dataset.name);
  const pool = new Piscina<PreprocessTask, PreprocessAnswer<unknown>>({
    filename: workerFile('preprocess-worker'),
    maxThreads: Math.min(workers, dataset.cases.length),
    minThreads: Math.min(workers, dataset.cases.length),
    idleTimeout: Infinity,
  });
  try {
    const fingerprints = await fingerprintAll(pool, dataset, onProgress);
    const options: StoreOptions = {
      labels: dataset.labels,
      channels: dataset.channels,
      normalisation: chooseNormalisation(dataset.channels, fingerprints),
    };
    return await writeAll(pool, dataset, options, outDir, onProgress);
  } finally {
    await pool.destroy();
  }
}

type Pool = Piscina<PreprocessTask, PreprocessAnswer<unknown>>;

async function fingerprintAll(pool: Pool, dataset: RawDataset, onProgress: (progress: Progress) => void): Promise<CaseFingerprint[]> {
  // Only CT normalisation needs intensities of the whole data set.
  const wanted = dataset.channels.map((name) => schemeOf(name) === 'ct');
  const samples = samplesPerCase(dataset.cases.length);
  const tasks = dataset.cases.map((raw): PreprocessTask => ({ kind: 'fingerprint', raw, labels: dataset.labels, samples, wanted }));
  return runAll<CaseFingerprint>(pool, dataset.dir, tasks, (done) => onProgress({ phase: 'fingerprint', done, total: tasks.length }));
}

async function writeAll(
  pool: Pool,
  dataset: RawDataset,
  options: StoreOptions,
  outDir: string,
  onProgress: (progress: Progress) => void,
): Promise<PreprocessReport> {
  const optionsHash = await xxh64(JSON.stringify(options));
  const made = await prepareFolder(outDir);
  const finished = await Promise.all(dataset.cases.map((raw) => findFinished(raw, optionsHash, outDir)));
  const other = dataset.cases.find((_, i) => finished[i].state === 'other options');
  if (other) {
    throw new StoreError(
      outDir,
      `its case ${other.id} was written with other options (normalisation, channels or labels)`,
      'Choose another folder, or empty this one',
    );
  }
  const pending = dataset.cases.filter((_, i) => finished[i].state !== 'finished');
  if (pending.length > 0) await rm(join(outDir, INDEX_FILE), { force: true });
  const total = dataset.cases.length;
  const kept = total - pending.length;
  const tasks = pending.map((raw): PreprocessTask => ({ kind: 'write', raw, options, optionsHash, outDir }));
  let written: StoredCase[];
  try {
    written = await runAll<StoredCase>(pool, dataset.dir, tasks, (done) => onProgress({ phase: 'preprocess', done: kept + done, total }));
  } catch (error) {
    await removeEmpty(made);
    throw error;
  }

  const entries = [...finished.flatMap((found) => (found.state === 'finished' ? [found.entry] : [])), ...written];
  const index: StoreIndex = {
    format: 'voxfeed-store',
    version: 1,
    name: dataset.name,
    channels: dataset.channels,
    labels: dataset.labels,
    labelDtype: Math.max(...dataset.labels.values, dataset.labels.ignore ?? 0) > 127 ? 'int16' : 'int8',
    options: options.normalisation,
    optionsHash,
    cases: entries.sort((a, b) => (a.id < b.id ? -1 : 1)),
  };
  await writeAtomic(join(outDir, INDEX_FILE), [Buffer.from(`${JSON.stringify(index, null, 1)}\n`)]);
  return { dir: outDir, cases: total, written: pending.length, notes: dataset.notes, options };
}

/**
 * Refuses at once what would only be found out after every case was read.
 * @throws FileError for a file in the folder's place, StoreError for the store of another data set.
 */
async function checkFolder(outDir: string, name: string): Promise<void> {
  const found = await stat(outDir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw fileError(outDir, error);
  });
  if (found === null) return;
  if (!found.isDirectory()) throw new FileError(outDir, 'it is a file', 'Give a folder, or the path of one to be made');
  await access(outDir, constants.W_OK).catch((error) => {
    throw fileError(outDir, error);
  });
  const index = await readFile(join(outDir, INDEX_FILE), 'utf8')
    .then(JSON.parse, () => null)
    .catch(() => null);
  if (index !== null && index.name !== name) {
    throw new StoreError(
      outDir,
      `it holds the store of another data set, ${JSON.stringify(index.name)}`,
      'Choose another folder, or empty this one',
    );
  }
}

/** Makes the folder and clears away what a killed run was writing. Returns the folders it had to make, innermost first. */
async function prepareFolder(outDir: string): Promise<string[]> {
  try {
    const outermost = await mkdir(outDir, { recursive: true });
    for (const name of await readdir(outDir)) if (name.endsWith(PARTIAL)) await rm(join(outDir, name), { force: true });
    const made: string[] = [];
    if (outermost !== undefined)
      for (let path = resolve(outDir); path.length >= resolve(outermost).length; path = dirname(path)) made.push(path);
    return made;
  } catch (error) {
    throw fileError(outDir, error);
  }
}

/** Folders that a run made and that nothing was finished in leave with it. */
async function removeEmpty(folders: readonly string[]): Promise<void> {
  for (const path of folders) await rmdir(path).catch(() => {});
}

/**
 * Runs all tasks. Cases that cannot be used are gathered and reported together at the end, because a user would rather mend
 * ten files at once than one at a time; anything else (a full disk, a dead worker) stops the run.
 */
async function runAll<T>(pool: Pool, where: string, tasks: readonly PreprocessTask[], onDone: (done: number) => void): Promise<T[]> {
  const results: T[] = [];
  const bad: VoxfeedError[] = [];
  let fatal: Error | null = null;
  let next = 0;
  let done = 0;
  const lane = async (): Promise<void> => {
    while (next < tasks.length && fatal === null) {
      const position = next++;
      const task = tasks[position];
      try {
        const answer = (await pool.run(task)) as PreprocessAnswer<T>;
        if (answer.error) {
          const error = unpack(answer.error);
          if (error instanceof VoxfeedError && !(error instanceof FileError && task.kind === 'write')) bad.push(error);
          else fatal ??= error;
        } else results[position] = answer.result as T;
      } catch (error) {
        fatal ??= new WorkerError(
          `case ${task.raw.id}`,
          `the worker died while it preprocessed this case (${(error as Error).message})`,
          'If memory ran out, use fewer workers; then run again: finished cases are kept',
          { cause: error },
        );
      }
      onDone(++done);
    }
  };
  onDone(0);
  await Promise.all(Array.from({ length: pool.options.maxThreads }, lane));
  if (fatal) throw fatal;
  if (bad.length === 1) throw bad[0];
  if (bad.length > 1)
    throw new CasesError(
      where,
      bad.sort((a, b) => (a.where < b.where ? -1 : 1)),
    );
  return results;
}
