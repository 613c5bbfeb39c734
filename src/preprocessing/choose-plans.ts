import { join } from 'node:path';
import { OptionError, PlansError, StoreError } from '../common/errors.ts';
import { nullIfDamaged } from '../common/files.ts';
import { given } from '../common/options.ts';
import type { PlanOptions } from '../planning/experiment.ts';
import type { Plans } from '../plans/plans.ts';
import { type Configuration, readPlans, resolveConfiguration } from '../plans/plans-file.ts';
import { readDatasetJson } from '../raw/dataset-json.ts';
import type { RawDataset } from '../raw/raw-dataset.ts';
import { DATASET_FILE, plansFile } from '../store/file-names.ts';
import type { CasePool } from './case-pool.ts';
import type { Share } from './parts.ts';
import { findPlans, makePlans } from './plan-dataset.ts';
import type { RunOptions } from './run-options.ts';

/** Which plans to follow. */
interface PlansWish extends Pick<RunOptions, 'onProgress' | 'strictGeometry' | 'strictVoxels'>, PlanOptions, Share {
  /** The path of a file. */
  plans?: string | undefined;
}

/** Plans, and the file that they are from. */
export interface ChosenPlans {
  path: string;
  plans: Plans;
  notes: string[];
}

/**
 * The plans that are named; else those in the folder; else, and where a planner is named, they are made there, but by no part.
 * @throws OptionError where there are several, PlansError, StoreError (also for a part without plans), and what planning throws
 */
export async function choosePlans(pool: CasePool, dataset: RawDataset, outDir: string, options: PlansWish): Promise<ChosenPlans> {
  if (options.plans !== undefined) return { path: options.plans, plans: await readPlans(options.plans), notes: dataset.notes };
  const { planner, gpuMemoryGb, onProgress, strictGeometry, strictVoxels } = options;
  const found = planner === undefined && gpuMemoryGb === undefined ? await findPlans(outDir) : [];
  if (found.length > 1) throw new OptionError('plans', `${outDir} holds several: ${found.join(', ')}`, 'Say which one to follow');
  if (found.length === 1) {
    await checkSameDescription(dataset, outDir);
    const path = join(outDir, found[0]);
    return { path, plans: await readPlans(path), notes: dataset.notes };
  }
  if (options.part !== undefined || options.finish)
    throw new StoreError(
      outDir,
      'parts go by plans, and there are none that they could',
      'Plan into this folder first, in parts too if you like, or name `plans`',
    );
  const { experiment, notes } = await makePlans(pool, dataset, {
    outDir,
    ...given({ planner, gpuMemoryGb, onProgress, strictGeometry, strictVoxels }),
  });
  return { path: join(outDir, plansFile(experiment.plans)), plans: experiment.plans, notes };
}

/** One of the plans' configurations. @throws PlansError, also if it is for other channels than the data set has */
export function configurationFor({ channels, dir }: RawDataset, { path, plans }: ChosenPlans, name: string): Configuration {
  const configuration = resolveConfiguration(path, plans, name);
  const { length } = configuration.normalisation;
  if (length === channels.length) return configuration;
  throw new PlansError(
    path,
    `they are for ${length} channels, ${join(dir, DATASET_FILE)} names ${channels.length}`,
    'Give the plans of this data set, or plan it again',
  );
}

/** Plans follow from channel names and labels: plans that were made for others would be followed in silence. */
async function checkSameDescription({ channels, labels, dir }: RawDataset, outDir: string): Promise<void> {
  const before = await readDatasetJson(join(outDir, DATASET_FILE)).catch(nullIfDamaged);
  if (before === null || JSON.stringify([before.channels, before.labels]) === JSON.stringify([channels, labels])) return;
  throw new StoreError(
    outDir,
    `its plans were made with other options: channels or labels in ${join(dir, DATASET_FILE)} have changed`,
    'Choose another folder, or empty this one',
  );
}
