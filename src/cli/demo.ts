import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openStore } from '../dataset/store.ts';
import { DatasetError } from '../errors.ts';
import { PatchLoader } from '../loader.ts';
import { measureThroughput } from '../observability/throughput.ts';
import type { LoaderOptions } from '../options.ts';
import { preprocess } from '../preprocessing/preprocess.ts';
import { type Command, parse, positive, text } from './arguments.ts';
import { showReport } from './bench.ts';
import { writeContactSheet } from './inspect.ts';
import { ProgressLine } from './progress.ts';

/** nnU-Net's own plan for this data set. */
const PATCH = [40, 56, 40];
const BATCH = 9;
const BATCHES = 200;

export const demo: Command = {
  usage: `usage: voxfeed demo [--out DIR] [--workers N]

Runs the whole data path on the hippocampus cases in examples/data of a checkout: preprocess, stream, measure, draw.

  --out DIR     where the store and the picture go; default demo-output
  --workers N   worker threads; default 2
  --json        print the figures as JSON, and nothing else, on standard output`,

  async run(words) {
    const { values } = parse(words, [], { out: 'string', workers: 'string', json: 'boolean' });
    const out = text(values, 'out') ?? 'demo-output';
    const workers = positive(values, 'workers', 2);
    const raw = fileURLToPath(new URL('../../examples/data', import.meta.url));
    if (!existsSync(raw))
      throw new DatasetError(
        raw,
        'the example data are not here',
        'The demo runs in a checkout (npm run demo); elsewhere, preprocess a data set of your own',
      );
    const progress = new ProgressLine();

    const store = join(out, 'store');
    const report = await preprocess(raw, store, {
      workers,
      onProgress: ({ phase, done, total }) => progress.show(phase === 'fingerprint' ? 'reading cases' : 'writing cases', done, total),
    });
    const say = (text: string): void => void (values.json ? process.stderr : process.stdout).write(text);
    say(`preprocessed ${report.cases} cases into ${report.dir} (${report.written} written now)\n`);

    const options: LoaderOptions = { store: await openStore(store), patchSize: PATCH, batchSize: BATCH, seed: 7, workers };
    await using loader = await PatchLoader.create(options);
    const throughput = await measureThroughput(loader, {
      batches: BATCHES,
      hash: true,
      onBatch: (done, total) => progress.show('streaming batches', done, total),
    });
    await loader.close();
    say(`streamed ${BATCHES} batches, then timed as many\n${showReport(throughput, PATCH, BATCH)}`);

    const sheet = await writeContactSheet(options, 1, join(out, 'contact-sheet.png'));
    say(`${'contact sheet'.padEnd(20)} ${sheet}\n`);
    if (values.json)
      process.stdout.write(`${JSON.stringify({ ...throughput, cases: report.cases, patch: PATCH, batch: BATCH, sheet }, null, 2)}\n`);
  },
};
