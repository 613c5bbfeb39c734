import { given, type OptionTable } from '../common/options.ts';
import { showPart } from '../common/part.ts';
import { checkShare, PART_OPTION } from '../preprocessing/parts.ts';
import { PLAN_DATASET_OPTIONS, planDataset } from '../preprocessing/plan-dataset.ts';
import { planPart } from '../preprocessing/plan-part.ts';
import type { Progress } from '../preprocessing/run-options.ts';
import { TableCommand, UsageError } from './command.ts';
import { JSON_FLAG } from './common-flags.ts';
import { showPlan } from './plan-table.ts';
import { ProgressLine, showProgress } from './progress.ts';

const PLAN_FLAGS = {
  json: { ...JSON_FLAG.json, help: 'print the plans as JSON, and nothing else, on standard output' },
} as const satisfies OptionTable;

export const plan = (): TableCommand =>
  new TableCommand('plan')
    .summary('choose patch size, batch size, spacing and network')
    .description(
      'Reads an nnU-Net raw data set and chooses patch size, batch size, spacing and network of every configuration, as nnU-Net does, and measures how much foreground oversampling the data need. Several machines share the work with --part, see docs/clusters.md.',
    )
    .argument('<RAW_DIR>', "a data set in nnU-Net's raw layout")
    .flags(PLAN_DATASET_OPTIONS)
    .flags(PART_OPTION)
    .flags(PLAN_FLAGS)
    .action(async (rawDir: string, _values: unknown, command: TableCommand) => {
      const { json } = await command.checked(PLAN_FLAGS);
      const progress = new ProgressLine();
      const onProgress = (state: Progress): void => showProgress(progress, state);
      const { part } = await command.given(PART_OPTION);
      const run = part === undefined ? planWhole : readPart;
      const { notes, plans, text } = await run(command, rawDir, onProgress);
      for (const note of notes) process.stderr.write(`note: ${note}\n`);
      process.stdout.write(json ? `${JSON.stringify(plans, null, 2)}\n` : text);
    });

type OnProgress = (state: Progress) => void;

async function planWhole(command: TableCommand, rawDir: string, onProgress: OnProgress) {
  const report = await planDataset(rawDir, { ...(await command.given(PLAN_DATASET_OPTIONS)), onProgress });
  return { notes: report.notes, plans: report.plans, text: showPlan(report) };
}

/** Of a part there are no plans yet. */
async function readPart(command: TableCommand, rawDir: string, onProgress: OnProgress) {
  const { part, outDir, ...rest } = await command.given({ ...PART_OPTION, ...PLAN_DATASET_OPTIONS });
  if (part === undefined || outDir === undefined) throw new UsageError('--part: what it finds must be kept. Name the folder with --out');
  const { planner: _planner, gpuMemoryGb: _gpu, keepCases, finish, ...options } = rest;
  if (keepCases) throw new UsageError('--keep-cases: parts of preprocessing read their own cases. Leave it out beside --part');
  checkShare(given({ part, finish }));
  const { cases, notes, dir } = await planPart(rawDir, { ...options, part, outDir, onProgress });
  return { notes, plans: null, text: `part ${showPart(part)}: ${cases} cases read, kept in ${dir}\n` };
}
