import { availableParallelism } from 'node:os';
import { preprocess as preprocessDataset } from '../preprocessing/preprocess.ts';
import { type Command, parse, positive } from './arguments.ts';
import { ProgressLine } from './progress.ts';

const PHASES = { fingerprint: 'reading cases', preprocess: 'writing cases' };

export const preprocess: Command = {
  usage: `usage: voxfeed preprocess RAW_DIR OUT_DIR [--workers N] [--json]

Turns an nnU-Net raw data set (dataset.json, imagesTr, labelsTr) into a store: crop to nonzero, normalise, class
locations. Run it again after an interruption and it continues.

  --workers N   worker threads; default: one per core
  --json        print the report as JSON`,

  async run(words) {
    const { given, values } = parse(words, ['RAW_DIR', 'OUT_DIR'], { workers: 'string', json: 'boolean' });
    const progress = new ProgressLine();
    const report = await preprocessDataset(given[0], given[1], {
      workers: positive(values, 'workers', availableParallelism()),
      onProgress: ({ phase, done, total }) => progress.show(PHASES[phase], done, total),
    });
    for (const note of report.notes) process.stderr.write(`note: ${note}\n`);
    if (values.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    else process.stdout.write(`${report.cases} cases in ${report.dir}, ${report.written} written now\n`);
  },
};
