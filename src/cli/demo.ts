import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DatasetError } from '../common/errors.ts';
import type { OptionTable } from '../common/options.ts';
import { PatchLoader } from '../loader/loader.ts';
import { LOADER_OPTIONS } from '../loader/options/table.ts';
import { measureThroughput, tellable } from '../measuring/throughput.ts';
import { preprocess } from '../preprocessing/preprocess.ts';
import { showReport } from './bench.ts';
import { TableCommand } from './command.ts';
import { JSON_FLAG, loaderOptions, outFlag } from './common-flags.ts';
import { writeContactSheet } from './inspect.ts';
import { ProgressLine, showProgress } from './progress.ts';

const BATCHES = 200;
const DEMO_OPTIONS = {
  ...outFlag('demo-output', 'the folder for the store and the picture'),
  ...JSON_FLAG,
} as const satisfies OptionTable;

export const demo = (): TableCommand =>
  new TableCommand('demo')
    .withFiles()
    .summary('run the whole data path on the bundled cases')
    .description(
      'Runs the whole data path on the hippocampus cases in examples/data of a checkout, as planned on all 260 cases of that data set: preprocess, stream augmented batches, measure, draw. Seed, workers and augmentation are 7, 2 and default unless given.',
    )
    .flags(LOADER_OPTIONS)
    .flags(DEMO_OPTIONS)
    .action(async (_values: unknown, command: TableCommand) => {
      const { out, json } = await command.checked(DEMO_OPTIONS);
      const { workers = 2 } = await command.given(LOADER_OPTIONS);
      const raw = fileURLToPath(new URL('../../examples/data', import.meta.url));
      const plans = fileURLToPath(new URL('../../examples/nnUNetPlans.json', import.meta.url));
      if (!existsSync(raw))
        throw new DatasetError(
          raw,
          'the example data are not here',
          'The demo runs in a checkout (npm run demo); elsewhere, preprocess a data set of your own',
        );
      const progress = new ProgressLine();
      const report = await preprocess(raw, join(out, 'store'), {
        plans,
        // Preprocessing has as many as there are cores then.
        ...(workers !== 'auto' && { workers }),
        onProgress: (state) => showProgress(progress, state),
      });
      const say = (text: string): void => void (json ? process.stderr : process.stdout).write(text);
      say(`preprocessed ${report.cases} cases into ${report.dir} (${report.written} written now)\n`);

      const given = await loaderOptions(command, join(out, 'store'));
      const options = { seed: 7, workers, augmentation: 'default' as const, ...given };
      await using loader = await PatchLoader.create(options);
      const throughput = tellable(
        await measureThroughput(loader, {
          batches: BATCHES,
          hash: true,
          onBatch: (done, total) => progress.show('streaming batches', done, total),
        }),
      );
      const { patchSize, batchSize } = loader.state();
      await loader.close();
      say(`streamed ${BATCHES} batches, then timed as many\n${showReport(throughput, patchSize, batchSize)}`);

      const sheet = await writeContactSheet(options, 1, join(out, 'contact-sheet.png'));
      say(`${'contact sheet'.padEnd(20)} ${sheet}\n`);
      say(`${'see it'.padEnd(20)} npm run -s voxfeed -- view ${join(out, 'store')} --seed 7\n`);
      if (json)
        process.stdout.write(
          `${JSON.stringify({ ...throughput, cases: report.cases, patch: patchSize, batch: batchSize, sheet }, null, 2)}\n`,
        );
    });
