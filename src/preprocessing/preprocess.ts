import { openFolder } from '../common/folders.ts';
import { patchOf } from '../common/geometry.ts';
import { checkPath } from '../common/names.ts';
import { checkOptions, type Given, type OptionTable } from '../common/options.ts';
import { partOf } from '../common/part.ts';
import { oneOf, text } from '../common/schemas.ts';
import { adviseOversampling, type OversamplingAdvice } from '../planning/oversampling-advice.ts';

import { defaultConfiguration, plannedReader } from '../plans/plans-file.ts';
import { readingOf } from '../raw/raw-dataset.ts';

import { IMAGE_DTYPES, WRITTEN_ARRAYS } from '../store/storage.ts';
import { CasePool } from './case-pool.ts';
import { choosePlans, configurationFor } from './choose-plans.ts';
import { patchesOn, type StoreOptions } from './grid.ts';
import { openChecked, verifyDataset } from './integrity.ts';
import { KeptCases } from './kept-cases.ts';
import { checkFolder } from './output-folder.ts';
import { checkShare, FINISH_OPTION, PART_OPTION } from './parts.ts';
import { RUN_OPTIONS, VERIFY_OPTION, workersFor } from './run-options.ts';
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
  /**
   * What the images of the store are written as. `float16` takes half of the disk, and of the page cache: intensities are rounded, each by
   * 2^-11 of itself at most. float16 ends at 65504; a case that goes beyond is refused. `int16` takes as much: intensities are on a line
   * from the least to the largest of each channel of a case, in 65,534 steps, rounded by half of one.
   */
  dtype: {
    schema: oneOf(IMAGE_DTYPES),
    default: 'float32',
    flag: '--dtype NAME',
    help: 'what images are written as: float16 takes half of the disk, and rounds intensities by 2^-11 of themselves at most; int16 the same, by a 131,068th of the range of a channel',
  },
  /** What files arrays are written to. `b2nd` is compressed without loss (zstd), divided as nnU-Net's: less disk, and more work to read. */
  arrays: {
    schema: oneOf(WRITTEN_ARRAYS),
    default: 'npy',
    flag: '--arrays NAME',
    help: "what files arrays are written to: b2nd is compressed without loss by zstd, divided as nnU-Net's: less disk, and more work to read",
  },
  ...PART_OPTION,
  ...FINISH_OPTION,
  ...VERIFY_OPTION,
  ...RUN_OPTIONS,
} as const satisfies OptionTable;

/** Which plans to follow, and what the run may take. */
export interface PreprocessOptions extends Given<typeof PREPROCESS_OPTIONS> {}

/** What a run of `preprocess` left behind. */
export interface PreprocessReport {
  /** The store. */
  dir: string;
  /** In the store; of a part, those that it has. */
  cases: number;
  /** Written now; the others were there already. */
  written: number;
  /** The configuration that was followed, with its patch and batch size. */
  configuration: string;
  patchSize: number[];
  batchSize: number;
  /** How much foreground oversampling these cases need, for patches of the planned size. Of a part, for its cases alone. */
  oversampling: OversamplingAdvice;
  /** What is odd but usable, for the user to read. */
  notes: string[];
  /** What the cases were written with. */
  options: StoreOptions;
}

/**
 * Turns a raw nnU-Net data set into a store, one case a task. Interrupted at any moment, it continues where it stopped: finished
 * cases stay, the index comes last.
 *
 * Parts (`part`) may run side by side, on several machines that share both folders: each writes its cases and nothing else. They follow
 * plans that are there. When all have ended, `finish` writes the index: the store is byte for byte that of one run.
 * @throws OptionError, DatasetError, PlansError, CaseError, CasesError (all bad cases at once), MemoryError, StoreError (the
 * folder holds a store written for other options; `finish`, and cases are missing), FileError (a full disk stops the run at once).
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
  checkShare(options);
  checkPath('outDir', outDir);
  if (options.verify) await verifyDataset(rawDir, options);
  const dataset = await openChecked(rawDir, () => false);
  await checkFolder(outDir, dataset);
  await using _folder = await openFolder(outDir, options.part);
  // A part does not plan, and keeps nothing that others could take.
  await using kept = options.part === undefined ? await KeptCases.open(outDir) : null;
  await using pool = new CasePool(workersFor(options, partOf(dataset.cases, options.part)), options.maxMemoryBytes, kept?.keeping);
  const chosen = await choosePlans(pool, dataset, outDir, options);
  const { path, plans, notes } = chosen;
  const configuration = configurationFor(dataset, chosen, options.config ?? defaultConfiguration(plans));
  const patches = patchesOn(configuration, path, plans);
  const { strictGeometry, strictVoxels } = options;
  const reading = readingOf(dataset, { reader: plannedReader(path, plans, dataset), strictGeometry, strictVoxels });
  const { dtype = PREPROCESS_OPTIONS.dtype.default, arrays = PREPROCESS_OPTIONS.arrays.default } = options;
  const request = { dataset, outDir, plans, configuration, patches, reading, dtype, arrays };
  if (kept) kept.leaving = true;
  const { notes: more, entries, ...rest } = await writeDataset(pool, request, options);
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
    notes: [...notes, ...more, ...pool.notes],
  };
}
