import { openFolder } from '../common/folders.ts';
import { checkOptions, type Given, type OptionTable } from '../common/options.ts';
import { partOf } from '../common/part.ts';
import { CasePool } from './case-pool.ts';
import { fingerprintCases } from './fingerprint-dataset.ts';
import { openChecked, verifyDataset } from './integrity.ts';
import { checkFolder } from './output-folder.ts';
import { PART_OPTION } from './parts.ts';
import { PLAN_DATASET_OPTIONS } from './plan-dataset.ts';
import { RUN_OPTIONS, VERIFY_OPTION, workersFor } from './run-options.ts';

// Here it cannot be left out.
const { otherwise: _, ...outDir } = PLAN_DATASET_OPTIONS.outDir;

export const PLAN_PART_OPTIONS = {
  /** Which share of the cases: `[3, 16]` is the third of sixteen. */
  part: { ...PART_OPTION.part, required: true },
  /** The folder that all parts write into, and that `planDataset` with `finish` finds them in. */
  outDir: { ...outDir, help: 'the folder that all parts write into', required: true },
  ...VERIFY_OPTION,
  ...RUN_OPTIONS,
} as const satisfies OptionTable;

/** Which part, where to, and what the run may take. */
export interface PlanPartOptions extends Given<typeof PLAN_PART_OPTIONS> {}

/**
 * Reads the cases of one part for planning, and keeps what planning needs of each. Parts may run side by side, on several machines that
 * share the folder, and again. When all have ended, `planDataset(rawDir, { outDir, finish: true })` plans as if one run had read all cases.
 * @returns how many cases the part has, and what is odd about their files
 * @throws OptionError, DatasetError, CaseError, CasesError, MemoryError, FileError (also where the same part is running)
 */
export async function planPart(rawDir: string, options: PlanPartOptions): Promise<{ dir: string; cases: number; notes: string[] }> {
  checkOptions(PLAN_PART_OPTIONS, options);
  const { outDir, part } = options;
  if (options.verify) await verifyDataset(rawDir, options);
  const dataset = await openChecked(rawDir, () => false);
  await checkFolder(outDir, dataset);
  await using _folder = await openFolder(outDir, part);
  await using pool = new CasePool(workersFor(options, partOf(dataset.cases, part)), options.maxMemoryBytes);
  const { length } = await fingerprintCases(pool, dataset, options);
  return { dir: outDir, cases: length, notes: [...dataset.notes, ...pool.notes] };
}
