import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DatasetError } from '../common/errors.ts';
import { PatchLoader } from '../loader/loader.ts';
import { measureThroughput } from '../measuring/throughput.ts';
import { preprocess } from '../preprocessing/preprocess.ts';
import { type Command, LOADER_ARGUMENTS, LOADER_USAGE, loaderOptions, parse, positive, text } from './arguments.ts';
import { showReport } from './bench.ts';
import { writeContactSheet } from './inspect.ts';
import { ProgressLine, showProgress } from './progress.ts';

const BATCHES = 200;

export const demo: Command = {
  usage: `usage: voxfeed demo [--out DIR] [--config NAME] [--workers N] [--json]

Runs the whole data path on the hippocampus cases in examples/data of a checkout, as planned on all 260 cases of that data
set: preprocess, stream augmented batches, measure, draw. Seed, workers and augmentation are 7, 2 and default unless given.

${LOADER_USAGE}
  --out DIR           where the store and the picture go; default demo-output
  --json              print the figures as JSON, and nothing else, on standard output`,

  async run(words) {
    const { values } = parse(words, [], { ...LOADER_ARGUMENTS, out: 'string', json: 'boolean' });
    const out = text(values, 'out') ?? 'demo-output';
    const raw = fileURLToPath(new URL('../../examples/data', import.meta.url));
    const plans = fileURLToPath(new URL('../../examples/nnUNetPlans.json', import.meta.url));
    if (!existsSync(raw))
      throw new DatasetError(
        raw,
        'the example data are not here',
        'The demo runs in a checkout (npm run demo); elsewhere, preprocess a data set of your own',
      );
    const chosen = { seed: '7', workers: '2', augmentation: 'default', ...values };
    const progress = new ProgressLine();

    const store = join(out, 'store');
    const report = await preprocess(raw, store, {
      plans,
      workers: positive(chosen, 'workers', 2),
      onProgress: (state) => showProgress(progress, state),
    });
    const say = (text: string): void => void (values.json ? process.stderr : process.stdout).write(text);
    say(`preprocessed ${report.cases} cases into ${report.dir} (${report.written} written now)\n`);

    const options = await loaderOptions(store, chosen);
    await using loader = await PatchLoader.create(options);
    const throughput = await measureThroughput(loader, {
      batches: BATCHES,
      hash: true,
      onBatch: (done, total) => progress.show('streaming batches', done, total),
    });
    const { patchSize, batchSize } = loader.state();
    await loader.close();
    say(`streamed ${BATCHES} batches, then timed as many\n${showReport(throughput, patchSize, batchSize)}`);

    const sheet = await writeContactSheet(options, 1, join(out, 'contact-sheet.png'));
    say(`${'contact sheet'.padEnd(20)} ${sheet}\n`);
    if (values.json)
      process.stdout.write(
        `${JSON.stringify({ ...throughput, cases: report.cases, patch: patchSize, batch: batchSize, sheet }, null, 2)}\n`,
      );
  },
};
