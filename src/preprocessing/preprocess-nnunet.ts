import { readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { writeAtomic } from '../common/atomic-file.ts';
import { DatasetError, FileError, fileError, PlansError } from '../common/errors.ts';
import { ifThere } from '../common/files.ts';
import { makeFolder, openFolder } from '../common/folders.ts';
import { checkOptions, type Given, given, type OptionTable } from '../common/options.ts';
import { partOf } from '../common/part.ts';
import { that } from '../common/schemas.ts';
import { PLAN_OPTIONS } from '../planning/experiment.ts';
import { summariseFingerprints } from '../planning/fingerprint.ts';

import { plannedConfiguration, plannedReader } from '../plans/plans-file.ts';
import { type RawDataset, readingOf } from '../raw/raw-dataset.ts';
import { FINGERPRINT_FILE, plansFile, SPLITS_FILE } from '../store/file-names.ts';

import { refuseNnunetFolder } from '../store/nnunet/folder.ts';
import { CasePool } from './case-pool.ts';
import { type ChosenPlans, choosePlans, configurationFor } from './choose-plans.ts';
import { fingerprintCases } from './fingerprint-dataset.ts';
import { openChecked, verifyDataset } from './integrity.ts';
import { KeptCases } from './kept-cases.ts';
import { type ConfigurationFolder, findFolder, writeFolders } from './nnunet-folders.ts';
import { checkFolder, writeJson } from './output-folder.ts';
import { checkShare, refuseMissing } from './parts.ts';
import { copyDescription } from './plan-dataset.ts';
import { PREPROCESS_OPTIONS } from './preprocess.ts';
import { type RunOptions, workersFor } from './run-options.ts';
import { chooseSplits } from './splits.ts';

const { config: _, dtype: __, arrays: ___, ...COMMON_OPTIONS } = PREPROCESS_OPTIONS;

export const NNUNET_OPTIONS = {
  /** Which of the plans' configurations. Default: all that have a folder of their own. */
  configs: {
    schema: that<readonly string[]>(
      'a list of names of configurations',
      (value) => Array.isArray(value) && value.length > 0 && value.every((name) => typeof name === 'string' && name !== ''),
      "Give one, such as ['3d_fullres']",
    ),
    otherwise: 'all that have a folder of their own',
    help: 'configurations of the plans',
  },
  ...COMMON_OPTIONS,
  /** Plan with this planner of nnU-Net's, also where there are plans. Default: plans are made where there are none. */
  planner: { ...PLAN_OPTIONS.planner, default: undefined, otherwise: 'the plans that are there' },
  gpuMemoryGb: PLAN_OPTIONS.gpuMemoryGb,
} as const satisfies OptionTable;

/** Which plans to follow, and what the run may take. */
export interface NnunetPreprocessOptions extends Given<typeof NNUNET_OPTIONS> {}

/** What a run left behind. */
export interface NnunetReport {
  /** The data set's folder, with dataset.json, plans, folds and gt_segmentations. */
  dir: string;
  /** Of a part, those that it has. */
  cases: number;
  configurations: {
    name: string;
    /** Its cases. */
    dir: string;
    /** Written now; the others were there already. */
    written: number;
    patchSize: number[];
    batchSize: number;
  }[];
  /** What is odd but usable, for the user to read. */
  notes: string[];
}

/** What a data set must be called for nnU-Net to find it. */
const DATASET_NAME = /^Dataset\d{3}_/;

/**
 * Preprocesses a raw nnU-Net data set for nnU-Net itself: what \`nnUNetv2_plan_and_preprocess\` leaves in nnUNet_preprocessed, for 2.8.1
 * and newer. Interrupted at any moment, it continues where it stopped. Parts write their cases, `finish` everything else.
 * @param preprocessedDir the folder nnUNet_preprocessed, or the data set's folder in it
 * @throws OptionError, DatasetError, PlansError, CaseError, CasesError (all bad cases at once), MemoryError, StoreError (a configuration's
 * folder holds something else; `finish`, and cases are missing), FileError
 * @example
 * \`\`\`ts
 * const { dir, configurations } = await preprocessForNnunet('nnUNet_raw/Dataset004_Hippocampus', 'nnUNet_preprocessed', {
 *   configs: ['2d', '3d_fullres'],
 * });
 * \`\`\`
 */
export async function preprocessForNnunet(
  rawDir: string,
  preprocessedDir: string,
  options: NnunetPreprocessOptions = {},
): Promise<NnunetReport> {
  checkOptions(NNUNET_OPTIONS, options);
  checkShare(options);
  const { part } = options;
  if (options.verify) await verifyDataset(rawDir, options);
  // nnU-Net says some of it after everything is preprocessed.
  const dataset = await openChecked(rawDir, ({ always }) => always);
  const { folder } = dataset;
  const cases = partOf(dataset.cases, part);
  if (!DATASET_NAME.test(folder))
    throw new DatasetError(rawDir, 'nnU-Net finds no data set of this name', 'Call its folder like Dataset004_NAME, with three digits');
  await refuseNnunetFolder(preprocessedDir);
  const dir = folderOf(preprocessedDir, folder);
  await checkFolder(dir, dataset);
  await using _folder = await openFolder(dir, part);
  await using kept = part === undefined ? await KeptCases.open(dir) : null;
  await using pool = new CasePool(workersFor(options, cases), options.maxMemoryBytes, kept?.keeping);
  const chosen = await choosePlans(pool, dataset, dir, options);
  checkName(dataset, chosen);
  const { strictGeometry, strictVoxels } = options;
  const reader = plannedReader(chosen.path, chosen.plans, dataset);
  const reading = readingOf(dataset, { reader, strictGeometry, strictVoxels });
  const wanted = withFolder(chosen, options.configs).map((name) => configurationFor(dataset, chosen, name));
  const folders: ConfigurationFolder[] = [];
  for (const configuration of wanted) folders.push(await findFolder(dataset, dir, configuration, reader, chosen, part));
  const { splits, notes } = await chooseSplits(dataset, dir);
  if (options.finish) for (const { dir, pending } of folders) refuseMissing(dir, pending, cases.length);
  if (part === undefined) {
    await writeAbout(pool, dataset, dir, chosen, options);
    if (splits.length > 0) await writeJson(join(dir, SPLITS_FILE), splits);
    await copyLabels(dataset, dir);
  }
  if (kept) kept.leaving = true;
  await writeFolders(pool, dataset, folders, reading, options);
  return {
    dir,
    cases: cases.length,
    configurations: folders.map(({ dir, pending, configuration: { name, patchSize, batchSize } }) => ({
      name,
      dir,
      written: pending.length,
      patchSize,
      batchSize,
    })),
    notes: [...chosen.notes, ...notes, ...pool.notes],
  };
}

function folderOf(preprocessedDir: string, folder: string): string {
  const name = basename(resolve(preprocessedDir));
  if (name === folder) return preprocessedDir;
  if (!DATASET_NAME.test(name)) return join(preprocessedDir, folder);
  throw new FileError(preprocessedDir, `it is the folder of a data set, and not of ${folder}`, 'Give nnUNet_preprocessed');
}

/** nnU-Net looks for a data set where its plans say. */
function checkName({ folder }: RawDataset, { path, plans }: ChosenPlans): void {
  if (plans.dataset_name !== folder)
    throw new PlansError(
      path,
      `they are for ${plans.dataset_name}, not for ${folder}`,
      'Plan this data set, or have them moved by nnUNetv2_move_plans_between_datasets',
    );
}

/** One configuration for each folder: later stages of a cascade share that of another. */
function withFolder({ path, plans }: ChosenPlans, configs: readonly string[] = Object.keys(plans.configurations)): string[] {
  const byFolder = new Map<string | null, string>();
  for (const name of configs) {
    const { dataIdentifier } = plannedConfiguration(path, plans, name);
    if (!byFolder.has(dataIdentifier)) byFolder.set(dataIdentifier, name);
  }
  return [...byFolder.values()];
}

/** dataset.json, plans, and the fingerprint, which nnU-Net copies at the start of a training. */
async function writeAbout(
  pool: CasePool,
  dataset: RawDataset,
  dir: string,
  { plans }: ChosenPlans,
  { onProgress, strictGeometry, strictVoxels }: RunOptions,
): Promise<void> {
  await copyDescription(dataset, dir);
  const fingerprint = join(dir, FINGERPRINT_FILE);
  if ((await ifThere(fingerprint, stat(fingerprint))) === null) {
    const cases = await fingerprintCases(pool, dataset, { outDir: dir, ...given({ onProgress, strictGeometry, strictVoxels }) });
    await writeJson(fingerprint, summariseFingerprints(cases));
  }
  await writeJson(join(dir, plansFile(plans)), plans);
}

/** The labels as they are: nnU-Net validates against them. */
async function copyLabels({ cases, ending }: RawDataset, datasetDir: string): Promise<void> {
  const dir = join(datasetDir, 'gt_segmentations');
  await makeFolder(dir);
  for (const { id, label } of cases) {
    const copy = join(dir, `${id}${ending}`);
    try {
      const [from, to] = await Promise.all([stat(label), ifThere(copy, stat(copy))]);
      if (to === null || to.size !== from.size || to.mtimeMs < from.mtimeMs) await writeAtomic(copy, [await readFile(label)]);
    } catch (error) {
      throw fileError(label, error);
    }
  }
}
