import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CaseError,
  CasesError,
  DatasetError,
  FileError,
  fileError,
  type PackedError,
  unpack,
  type VoxfeedError,
} from '../common/errors.ts';
import { partOf } from '../common/part.ts';
import { readClassOrder, readDatasetJson } from '../raw/dataset-json.ts';
import { foregroundOf, type Labels } from '../raw/labels.ts';
import { openRawDataset, type RawDataset, readingOf } from '../raw/raw-dataset.ts';
import { DATASET_FILE } from '../store/file-names.ts';
import { CasePool } from './case-pool.ts';
import type { CaseTask } from './case-task.ts';
import type { Share } from './parts.ts';
import { type RunOptions, workersFor } from './run-options.ts';

/** Something in dataset.json that nnU-Net's `verify_dataset_integrity` refuses, and that can be read here. */
export interface Finding {
  error: DatasetError;
  /** Whether nnU-Net refuses it whenever it reads the labels, so that it cannot preprocess; else with its check alone. */
  always: boolean;
}

/**
 * What nnU-Net's check finds in dataset.json, in its order (`verify_dataset_integrity.py`, `label_handling.py`). What cannot be read at all
 * is refused by `openRawDataset`.
 * @throws FileError
 */
export async function datasetFindings({ dir, labels }: { dir: string; labels: Labels }): Promise<Finding[]> {
  const path = join(dir, DATASET_FILE);
  const text = await readFile(path, 'utf8').catch((error) => {
    throw fileError(path, error);
  });
  const json: { channel_names?: unknown; labels: Record<string, unknown>; regions_class_order?: unknown } = JSON.parse(text);
  const found: Finding[] = [];
  const find = (always: boolean, what: string, action: string): void =>
    void found.push({ error: new DatasetError(path, what, action), always });
  if (json.channel_names === undefined)
    find(false, '"channel_names" is missing: channels are called "modality"', 'Call them "channel_names"');
  if (!Object.hasOwn(json.labels, 'background')) find(true, '"labels" names no background', 'Write "background": 0 into it');
  const expected = [...labels.values, ...(labels.ignore === null ? [] : [labels.ignore])];
  const late = expected.filter((label, i) => i > 0 && label !== expected[i - 1] + 1);
  if (late.length > 0)
    find(
      false,
      `labels are not consecutive: ${late.join(', ')} ${late.length === 1 ? 'does' : 'do'} not follow the one before`,
      'Number them 0, 1, 2, … there and in the label files: nnU-Net cannot train others',
    );
  const regions = foregroundOf(labels.classes);
  if (regions.some((region) => region.labels.length > 1)) {
    try {
      readClassOrder(path, json.regions_class_order, regions.length);
    } catch (error) {
      found.push({ error: error as DatasetError, always: true });
    }
  }
  return found;
}

/**
 * Opens a data set. What nnU-Net's check would find is refused or noted.
 * @param refuse which of the findings
 * @throws what `openRawDataset` does, DatasetError, CasesError
 */
export async function openChecked(dir: string, refuse: (finding: Finding) => boolean): Promise<RawDataset> {
  const dataset = await openRawDataset(dir);
  const findings = await datasetFindings(dataset);
  refuseAll(
    dir,
    findings.filter(refuse).map(({ error }) => error),
  );
  const notes = findings.map(({ error: { where, what } }) => `${where}: ${what}. nnU-Net refuses that`);
  return { ...dataset, notes: [...dataset.notes, ...notes] };
}

/**
 * Does what nnU-Net's `verify_dataset_integrity` does: dataset.json, every file, and every voxel of every case. All that is wrong is said
 * in one list. A part reads the cases that it has.
 * @throws DatasetError, CaseError, CasesError (more than one finding), MemoryError
 */
export async function verifyDataset(dir: string, options: RunOptions & Share): Promise<void> {
  const path = join(dir, DATASET_FILE);
  const description = await readDatasetJson(path);
  const errors: VoxfeedError[] = (await datasetFindings({ dir, labels: description.labels })).map(({ error }) => error);
  try {
    const dataset = await openRawDataset(dir);
    if (description.numTraining !== dataset.cases.length)
      errors.push(
        new DatasetError(
          path,
          `numTraining is ${description.numTraining}, ${dataset.cases.length} cases are there`,
          'Correct it, or look for the missing ones',
        ),
      );
    errors.push(...(await readAll(dataset, options)));
  } catch (error) {
    errors.push(...findingsIn(error));
  }
  refuseAll(dir, errors);
}

async function readAll(dataset: RawDataset, options: RunOptions & Share): Promise<VoxfeedError[]> {
  const { dir, labels } = dataset;
  const cases = partOf(dataset.cases, options.part);
  const { strictGeometry, strictVoxels } = options;
  const reading = readingOf(dataset, { strictGeometry, strictVoxels });
  await using pool = new CasePool(workersFor(options, cases), options.maxMemoryBytes);
  const tasks = cases.map((raw): CaseTask => ({ kind: 'check', raw, reading, labels }));
  const faults = await pool.run<PackedError[]>(dir, tasks, (done) =>
    options.onProgress?.({ phase: 'verify', done, total: tasks.length, kept: 0 }),
  );
  return faults.flat().map((fault) => unpack(fault) as VoxfeedError);
}

function findingsIn(error: unknown): VoxfeedError[] {
  if (error instanceof CasesError) return error.errors;
  if (error instanceof CaseError || error instanceof DatasetError || error instanceof FileError) return [error];
  throw error;
}

/** @throws the one, or CasesError */
function refuseAll(where: string, errors: VoxfeedError[]): void {
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new CasesError(where, errors);
}
