import type { OptionTable } from '../common/options.ts';
import { PLAN_DATASET_OPTIONS, planDataset } from '../preprocessing/plan-dataset.ts';
import { TableCommand } from './command.ts';
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
      'Reads an nnU-Net raw data set and chooses patch size, batch size, spacing and network of every configuration, as nnU-Net does, and measures how much foreground oversampling the data need.',
    )
    .argument('<RAW_DIR>', "a data set in nnU-Net's raw layout")
    .flags(PLAN_DATASET_OPTIONS)
    .flags(PLAN_FLAGS)
    .action(async (rawDir: string, _values: unknown, command: TableCommand) => {
      const { json } = await command.checked(PLAN_FLAGS);
      const progress = new ProgressLine();
      const report = await planDataset(rawDir, {
        ...(await command.given(PLAN_DATASET_OPTIONS)),
        onProgress: (state) => showProgress(progress, state),
      });
      for (const note of report.notes) process.stderr.write(`note: ${note}\n`);
      process.stdout.write(json ? `${JSON.stringify(report.plans, null, 2)}\n` : showPlan(report));
    });
