import { StoreError } from '../common/errors.ts';
import { verifyStore } from '../store/verify.ts';
import { type Command, parse } from './arguments.ts';
import { ProgressLine } from './progress.ts';

export const verify: Command = {
  usage: `usage: voxfeed verify STORE_DIR [--json]

Reads every file of a store and names each one that is missing or not as it was written. Status 1 if there is any.

  --json   print the report as JSON`,

  async run(words) {
    const { given, values } = parse(words, ['STORE_DIR'], { json: 'boolean' });
    const progress = new ProgressLine();
    const report = await verifyStore(given[0], (done, total) => progress.show('verifying cases', done, total));
    if (values.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    else {
      for (const { path, what } of report.damaged) process.stdout.write(`${path}: ${what}\n`);
      process.stdout.write(`${report.files} files of ${report.cases} cases, ${report.damaged.length} damaged or missing\n`);
    }
    if (report.damaged.length > 0)
      throw new StoreError(
        given[0],
        `${report.damaged.length} of ${report.files} files are damaged or missing`,
        'Remove the damaged ones and run `voxfeed preprocess` again; it writes what is missing',
      );
  },
};
