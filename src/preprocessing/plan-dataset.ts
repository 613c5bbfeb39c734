import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError, OptionError } from '../common/errors.ts';
import { ifThere, mapFiles, nullIfDamaged } from '../common/files.ts';
import { openFolder } from '../common/folders.ts';
import { patchOf } from '../common/geometry.ts';
import { checkOptions, type Given, given, type OptionTable } from '../common/options.ts';
import { flag, text } from '../common/schemas.ts';
import { type ExperimentPlan, PLAN_OPTIONS, planExperiment } from '../planning/experiment.ts';
import { type CaseFingerprint, type DatasetFingerprint, summariseFingerprints } from '../planning/fingerprint.ts';
import { adviseOversampling, type OversamplingAdvice } from '../planning/oversampling-advice.ts';
import type { Plans } from '../plans/plans.ts';
import { readPlans } from '../plans/plans-file.ts';

import { type RawDataset, readingOf } from '../raw/raw-dataset.ts';

import { ADVICE_FILE, DATASET_FILE, FINGERPRINT_FILE, INDEX_FILE, plansFile, SPLITS_FILE } from '../store/file-names.ts';
import type { Coverage } from '../store/sidecar.ts';
import { CasePool } from './case-pool.ts';
import type { CaseTask } from './case-task.ts';
import { fingerprintCases } from './fingerprint-dataset.ts';
import { openChecked, verifyDataset } from './integrity.ts';
import { KeptCases } from './kept-cases.ts';
import { checkFolder, writeJson, writeText } from './output-folder.ts';
import { FINISH_OPTION } from './parts.ts';
import { RUN_OPTIONS, type RunOptions, VERIFY_OPTION, workersFor } from './run-options.ts';

/** JSON files of a folder that are no plans. */
const BESIDE = [FINGERPRINT_FILE, DATASET_FILE, ADVICE_FILE, SPLITS_FILE, INDEX_FILE];
/** Planning again replaces these; what a user added under other names stays. */
const OWN = ['2d', '3d_lowres', '3d_fullres', '3d_cascade_fullres'];

export const PLAN_DATASET_OPTIONS = {
  /** Write fingerprint, plans and advice into this folder, and go on there after an interruption. */
  outDir: {
    schema: text('the path of a folder'),
    otherwise: 'nothing is written',
    flag: '--out DIR',
    help: 'write dataset_fingerprint.json, nnUNetPlans.json, dataset.json and oversampling.json; an interrupted run goes on there, and `voxfeed preprocess RAW_DIR DIR` follows the plans',
  },
  /** Keep what is read in that folder, cropped, for the `preprocess` that follows: it need not read it again, and removes it. */
  keepCases: {
    schema: flag(),
    default: false,
    flag: '--keep-cases',
    help: 'keep the cases that are read in that folder, cropped, for the `preprocess` that follows: as many as a quarter of the free disk and of the free memory have room for; it removes them',
  },
  ...PLAN_OPTIONS,
  ...FINISH_OPTION,
  ...VERIFY_OPTION,
  ...RUN_OPTIONS,
} as const satisfies OptionTable;

/** What to plan for, and what the run may take. */
export interface PlanDatasetOptions extends Given<typeof PLAN_DATASET_OPTIONS> {}

/** Everything that planning finds out. */
export interface PlanReport extends ExperimentPlan {
  dataset: RawDataset;
  fingerprint: DatasetFingerprint;
  /** By configuration, in the order of `decisions`: the advice, and what it was measured from. Empty after `finish`. */
  oversampling: { configuration: string; advice: OversamplingAdvice; cases: ({ id: string } & Coverage)[] }[];
  notes: string[];
}

/**
 * Fingerprint, plans and oversampling advice of a raw data set. With `finish`, those that follow from what parts (`planPart`) left: no case
 * is read, and the advice is left to `preprocess`, which measures each case as it writes it.
 * @param rawDir in nnU-Net's raw layout
 * @throws OptionError, DatasetError, CaseError, CasesError, MemoryError, FileError, StoreError (`finish`, and cases are missing)
 * @example
 * ```ts
 * const { decisions, oversampling } = await planDataset('Dataset004_Hippocampus', { planner: 'resenc-l', outDir: 'plans' });
 * for (const { name, patch, batch } of decisions) console.log(name, patch, batch);
 * for (const { configuration, advice } of oversampling) console.log(configuration, advice.recommended, advice.reason);
 * ```
 */
export async function planDataset(rawDir: string, options: PlanDatasetOptions = {}): Promise<PlanReport> {
  checkOptions(PLAN_DATASET_OPTIONS, options);
  if (options.finish && options.outDir === undefined)
    throw new OptionError('finish', 'it puts together what lies in a folder', 'Name that with `outDir`');
  if (options.keepCases && options.outDir === undefined)
    throw new OptionError('keepCases', 'cases are kept in a folder', 'Name that with `outDir`');
  if (options.verify) await verifyDataset(rawDir, options);
  const dataset = await openChecked(rawDir, () => false);
  if (options.outDir !== undefined) await checkFolder(options.outDir, dataset);
  await using _folder = options.outDir === undefined ? null : await openFolder(options.outDir);
  // They are for the run that preprocesses.
  const kept = options.keepCases && options.outDir !== undefined ? await KeptCases.open(options.outDir) : null;
  await using pool = new CasePool(workersFor(options, dataset.cases), options.maxMemoryBytes, kept?.keeping);
  const { cases, fingerprint, experiment, notes } = await makePlans(pool, dataset, options);
  if (options.finish) return { ...experiment, dataset, fingerprint, oversampling: [], notes: [...notes, ...pool.notes] };
  const oversampling = await measureOversampling(pool, dataset, cases, experiment, options);
  // Intensities of the ignore label are sampled as foreground's, as in nnU-Net: it is here that all of them turn out to be its own.
  if (notes.length === dataset.notes.length && oversampling.every(({ cases }) => cases.every(({ any }) => any === 0)))
    notes.push(nothingToLearn(dataset));
  if (options.outDir !== undefined) await writeJson(join(options.outDir, ADVICE_FILE), oversampling);
  return { ...experiment, dataset, fingerprint, oversampling, notes: [...notes, ...pool.notes] };
}

/** Reads all cases, plans, and writes both down where there is a folder for it. */
export async function makePlans(
  pool: CasePool,
  dataset: RawDataset,
  options: PlanDatasetOptions,
): Promise<{ cases: CaseFingerprint[]; fingerprint: DatasetFingerprint; experiment: ExperimentPlan; notes: string[] }> {
  const { outDir } = options;
  const { planner, gpuMemoryGb, onProgress, strictGeometry, strictVoxels, finish } = options;
  const cases = await fingerprintCases(pool, dataset, given({ outDir, onProgress, strictGeometry, strictVoxels, finish }));
  const fingerprint = summariseFingerprints(cases);
  const experiment = planExperiment(fingerprint, dataset, given({ planner, gpuMemoryGb }));
  const notes = [...dataset.notes];
  if (Object.keys(fingerprint.foreground_intensity_properties_per_channel).length === 0) notes.push(nothingToLearn(dataset));
  if (outDir !== undefined) {
    await writeJson(join(outDir, FINGERPRINT_FILE), fingerprint);
    await copyDescription(dataset, outDir);
    experiment.plans = await withCustomConfigurations(outDir, experiment.plans);
    await writeJson(join(outDir, plansFile(experiment.plans)), experiment.plans);
  }
  return { cases, fingerprint, experiment, notes };
}

function nothingToLearn({ dir }: RawDataset): string {
  return `no label of ${dir} holds any foreground: there is nothing to learn from`;
}

/** The plans files that a folder holds: those that bear the name they say they have. */
export async function findPlans(dir: string): Promise<string[]> {
  const names = (await ifThere(dir, readdir(dir))) ?? [];
  const candidates = names.filter((name) => name.endsWith('.json') && !BESIDE.includes(name)).sort();
  const found = await mapFiles(candidates, async (name) => {
    const plans = await readPlans(join(dir, name)).catch(nullIfDamaged);
    // One of nnU-Net's names is not passed over, even if it is damaged: reading it will say what is wrong.
    return name.endsWith('Plans.json') || (plans !== null && plansFile(plans) === name) ? [name] : [];
  });
  return found.flat();
}

/** nnU-Net reads dataset.json beside the plans. */
export async function copyDescription(dataset: RawDataset, outDir: string) {
  const path = join(dataset.dir, DATASET_FILE);
  const text = await readFile(path, 'utf8').catch((error) => {
    throw fileError(path, error);
  });
  return writeText(join(outDir, DATASET_FILE), text);
}

async function withCustomConfigurations(outDir: string, plans: Plans): Promise<Plans> {
  const name = plansFile(plans);
  if (!(await findPlans(outDir)).includes(name)) return plans;
  const before = await readPlans(join(outDir, name));
  const custom = Object.entries(before.configurations).filter(([name]) => !OWN.includes(name));
  return { ...plans, configurations: { ...plans.configurations, ...Object.fromEntries(custom) } };
}

async function measureOversampling(
  pool: CasePool,
  dataset: RawDataset,
  fingerprints: readonly CaseFingerprint[],
  { plans, decisions }: ExperimentPlan,
  { onProgress, strictVoxels }: RunOptions,
): Promise<PlanReport['oversampling']> {
  const { cases, labels, dir } = dataset;
  const reading = readingOf(dataset, { strictVoxels });
  const grids = decisions.map(({ patch, spacing }) => ({ transpose: plans.transpose_forward, spacing, patch: patchOf(patch) }));
  const tasks = cases.map((raw, i): CaseTask => ({ kind: 'coverage', raw, reading, labels, cropBox: fingerprints[i].cropBox, grids }));
  const measured = await pool.run<Coverage[]>(dir, tasks, (done) =>
    onProgress?.({ phase: 'coverage', done, total: tasks.length, kept: 0 }),
  );
  return decisions.map(({ name }, grid) => {
    const coverage = measured.map((found) => found[grid]);
    return {
      configuration: name,
      advice: adviseOversampling(coverage, labels.classes),
      cases: coverage.map((found, i) => ({ id: cases[i].id, ...found })),
    };
  });
}
