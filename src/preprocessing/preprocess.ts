import { join } from 'node:path';
import { OptionError, PlansError, StoreError } from '../common/errors.ts';
import { openFolder } from '../common/folders.ts';
import { patchOf } from '../common/geometry.ts';
import { checkPath } from '../common/names.ts';
import { checkOptions, type Given, type OptionTable } from '../common/options.ts';
import { text } from '../common/schemas.ts';
import { adviseOversampling, type OversamplingAdvice } from '../planning/oversampling-advice.ts';
import type { Plans } from '../plans/plans.ts';
import { defaultConfiguration, readPlans, resolveConfiguration } from '../plans/plans-file.ts';
import { readDatasetJson } from '../raw/dataset-json.ts';
import { openRawDataset, type RawDataset } from '../raw/raw-dataset.ts';
import { DATASET_FILE, plansFile } from '../store/file-names.ts';
import { CasePool } from './case-pool.ts';
import { patchesOn, type StoreOptions } from './grid.ts';
import { checkFolder } from './output-folder.ts';
import { findPlans, makePlans } from './plan-dataset.ts';
import { RUN_OPTIONS, workersFor } from './run-options.ts';
import { writeDataset } from './write-dataset.ts';

export const PREPROCESS_OPTIONS = {
  /** Which of the plans' configurations; default: 3d_fullres, or 2d where there is no 3D plan. */
  config: {
    schema: text('the name of a configuration'),
    otherwise: '3d_fullres, or 2d where there is no 3D plan',
    flag: '--config NAME',
    help: 'a configuration of the plans',
  },
  /** A plans file of nnU-Net or voxfeed. Default: the one in the folder; where there is none, plans are made first. */
  plans: {
    schema: text('the path of a file'),
    otherwise: 'the plans in the output folder, or planned first',
    flag: '--plans FILE',
    help: 'nnUNetPlans.json of voxfeed or nnU-Net',
  },
  ...RUN_OPTIONS,
} as const satisfies OptionTable;

/** Which plans to follow, and what the run may take. */
export interface PreprocessOptions extends Given<typeof PREPROCESS_OPTIONS> {}

/** What a run of `preprocess` left behind. */
export interface PreprocessReport {
  /** The store. */
  dir: string;
  /** In the store. */
  cases: number;
  /** Written now; the others were there already. */
  written: number;
  /** The configuration that was followed, with its patch and batch size. */
  configuration: string;
  patchSize: number[];
  batchSize: number;
  /** How much foreground oversampling these cases need, for patches of the planned size. */
  oversampling: OversamplingAdvice;
  /** What is odd but usable, for the user to read. */
  notes: string[];
  /** What the cases were written with. */
  options: StoreOptions;
}

/**
 * Turns a raw nnU-Net data set into a store, one case a task. Interrupted at any moment, it continues where it stopped: finished
 * cases stay, the index comes last.
 * @throws OptionError, DatasetError, PlansError, CaseError, CasesError (all bad cases at once), MemoryError, StoreError (the
 * folder holds a store written for other options), FileError (a full disk stops the run at once).
 * @example
 * ```ts
 * const { cases, written, notes } = await preprocess('Dataset004_Hippocampus', 'store', {
 *   config: '3d_fullres',
 *   workers: 2,
 *   onProgress: ({ phase, done, total }) => console.log(phase, done, total),
 * });
 * ```
 */
export async function preprocess(rawDir: string, outDir: string, options: PreprocessOptions = {}): Promise<PreprocessReport> {
  checkOptions(PREPROCESS_OPTIONS, options);
  checkPath('outDir', outDir);
  const dataset = await openRawDataset(rawDir);
  await checkFolder(outDir, dataset);
  await using _folder = await openFolder(outDir);
  await using pool = new CasePool(workersFor(options, dataset.cases), options.maxMemoryBytes);
  const { path, plans, notes } = await choosePlans(pool, dataset, outDir, options);
  const configuration = resolveConfiguration(path, plans, options.config ?? defaultConfiguration(plans));
  if (configuration.normalisation.length !== dataset.channels.length) {
    throw new PlansError(
      path,
      `they are for ${configuration.normalisation.length} channels, ${join(rawDir, DATASET_FILE)} names ${dataset.channels.length}`,
      'Give the plans of this data set, or plan it again',
    );
  }
  const patches = patchesOn(configuration, path, plans);
  const {
    notes: more,
    entries,
    ...rest
  } = await writeDataset(pool, { dataset, outDir, plans, configuration, patches }, options.onProgress);
  const planned = patchOf(configuration.patchSize).join();
  const oversampling = adviseOversampling(
    entries.flatMap(({ coverage }) => coverage.filter(({ patch }) => patch.join() === planned)),
    dataset.labels.classes,
  );
  return {
    dir: outDir,
    cases: entries.length,
    ...rest,
    configuration: configuration.name,
    patchSize: configuration.patchSize,
    batchSize: configuration.batchSize,
    oversampling,
    notes: [...notes, ...more],
  };
}

async function choosePlans(
  pool: CasePool,
  dataset: RawDataset,
  outDir: string,
  options: PreprocessOptions,
): Promise<{ path: string; plans: Plans; notes: string[] }> {
  if (options.plans !== undefined) return { path: options.plans, plans: await readPlans(options.plans), notes: dataset.notes };
  const found = await findPlans(outDir);
  if (found.length > 1) throw new OptionError('plans', `${outDir} holds several: ${found.join(', ')}`, 'Say which one to follow');
  if (found.length === 1) {
    await checkSameDescription(dataset, outDir);
    const path = join(outDir, found[0]);
    return { path, plans: await readPlans(path), notes: dataset.notes };
  }
  const { experiment, notes } = await makePlans(pool, dataset, { outDir, ...(options.onProgress && { onProgress: options.onProgress }) });
  return { path: join(outDir, plansFile(experiment.plans)), plans: experiment.plans, notes };
}

/** Plans follow from channel names and labels: plans that were made for others would be followed in silence. */
async function checkSameDescription({ channels, labels, dir }: RawDataset, outDir: string): Promise<void> {
  const before = await readDatasetJson(join(outDir, DATASET_FILE)).catch(() => null);
  if (before === null || JSON.stringify([before.channels, before.labels]) === JSON.stringify([channels, labels])) return;
  throw new StoreError(
    outDir,
    `its plans were made with other options: channels or labels in ${join(dir, DATASET_FILE)} have changed`,
    'Choose another folder, or empty this one',
  );
}
