import { availableParallelism } from 'node:os';
import { PLANNERS, type PlannerName } from '../planning/planners.ts';
import { planDataset } from '../preprocessing/plan-dataset.ts';
import { type Command, gigabytes, given, number, parse, positive, text } from './arguments.ts';
import { showPlan } from './plan-table.ts';
import { ProgressLine, showProgress } from './progress.ts';

export const plan: Command = {
  usage: `usage: voxfeed plan RAW_DIR [--out DIR] [--planner NAME] [--gpu-memory-gb N] [--workers N] [--json]

Reads an nnU-Net raw data set and chooses patch size, batch size, spacing and network of every configuration, as nnU-Net
does, and measures how much foreground oversampling the data need.

  --out DIR           write dataset_fingerprint.json, nnUNetPlans.json, dataset.json and oversampling.json; an interrupted
                      run goes on there, and \`voxfeed preprocess RAW_DIR DIR\` follows the plans
  --planner NAME      ${PLANNERS.join(', ')}; default: default, nnU-Net's ExperimentPlanner
  --gpu-memory-gb N   plan for another GPU; default: the planner's own target, 8 (a card of 10 GB), 24 or 40
  --workers N         worker threads; default: one per core
  --max-memory-gb N   cases that together need more main memory wait for one another; default: half of the machine's
  --json              print the plans as JSON, and nothing else, on standard output`,

  async run(words) {
    const {
      given: [rawDir],
      values,
    } = parse(words, ['RAW_DIR'], {
      out: 'string',
      planner: 'string',
      'gpu-memory-gb': 'string',
      workers: 'string',
      'max-memory-gb': 'string',
      json: 'boolean',
    });
    const progress = new ProgressLine();
    const report = await planDataset(rawDir, {
      ...given({
        outDir: text(values, 'out'),
        planner: text(values, 'planner') as PlannerName | undefined,
        gpuMemoryGb: number(values, 'gpu-memory-gb'),
        maxMemoryBytes: gigabytes(values, 'max-memory-gb'),
      }),
      workers: positive(values, 'workers', availableParallelism()),
      onProgress: (state) => showProgress(progress, state),
    });
    for (const note of report.notes) process.stderr.write(`note: ${note}\n`);
    process.stdout.write(values.json ? `${JSON.stringify(report.plans, null, 2)}\n` : showPlan(report));
  },
};
