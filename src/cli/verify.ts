import { StoreError } from '../common/errors.ts';
import { verifyStore } from '../store/verify.ts';
import { TableCommand } from './command.ts';
import { JSON_FLAG } from './common-flags.ts';
import { ProgressLine } from './progress.ts';

export const verify = (): TableCommand =>
  new TableCommand('verify')
    .summary('check every file of a store')
    .description('Reads every file of a store and names each one that is missing or not as it was written. Status 1 if there is any.')
    .argument('<STORE_DIR>', 'a preprocessed data set')
    .flags(JSON_FLAG)
    .action(async (storeDir: string, _values: unknown, command: TableCommand) => {
      const { json } = await command.checked(JSON_FLAG);
      const progress = new ProgressLine();
      const report = await verifyStore(storeDir, (done, total) => progress.show('verifying cases', done, total));
      if (json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
      else {
        for (const { path, what } of report.damaged) process.stdout.write(`${path}: ${what}\n`);
        for (const { path, what } of report.edited ?? []) process.stdout.write(`${path}: ${what}\n`);
        process.stdout.write(`${report.files} files of ${report.cases} cases, ${report.damaged.length} damaged or missing\n`);
        if (report.unknown)
          process.stdout.write(`${report.unknown} of them had no checksum yet: the next run compares with what they are now\n`);
      }
      if (report.damaged.length > 0)
        throw new StoreError(
          storeDir,
          `${report.damaged.length} of ${report.files} files are damaged or missing`,
          report.unknown === undefined
            ? 'Remove the damaged ones and run `voxfeed preprocess` again; it writes what is missing'
            : "Run nnU-Net's preprocessing again, or remove voxfeed_cache beside the folder if they were changed on purpose",
        );
    });
