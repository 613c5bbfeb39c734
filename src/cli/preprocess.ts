import { PREPROCESS_OPTIONS, preprocess as preprocessDataset } from '../preprocessing/preprocess.ts';
import { TableCommand } from './command.ts';
import { JSON_FLAG } from './common-flags.ts';
import { ProgressLine, showProgress } from './progress.ts';

export const preprocess = (): TableCommand =>
  new TableCommand('preprocess')
    .withFiles()
    .summary('turn a raw data set into a store')
    .description(
      'Turns an nnU-Net raw data set (dataset.json, imagesTr, labelsTr) into a store, as nnU-Net preprocesses it: crop to nonzero, transpose, normalise, resample, class locations, splits_final.json. Run it again after an interruption and it continues.',
    )
    .argument('<RAW_DIR>', "a data set in nnU-Net's raw layout")
    .argument('<OUT_DIR>', 'the folder of the store')
    .flags(PREPROCESS_OPTIONS)
    .flags(JSON_FLAG)
    .action(async (rawDir: string, outDir: string, _values: unknown, command: TableCommand) => {
      const { json } = await command.checked(JSON_FLAG);
      const progress = new ProgressLine();
      const report = await preprocessDataset(rawDir, outDir, {
        ...(await command.given(PREPROCESS_OPTIONS)),
        onProgress: (state) => showProgress(progress, state),
      });
      for (const note of report.notes) process.stderr.write(`note: ${note}\n`);
      if (json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
      else {
        const { configuration, patchSize, batchSize, oversampling } = report;
        process.stdout.write(`${report.cases} cases in ${report.dir}, ${report.written} written now\n`);
        process.stdout.write(`${configuration}: patch ${patchSize.join('x')}, batch ${batchSize}\n`);
        process.stdout.write(`advice: --oversample ${oversampling.recommended} (${oversampling.reason})\n`);
      }
    });
