import { showPart } from '../common/part.ts';
import { oneOf } from '../common/schemas.ts';
import { PART_OPTION } from '../preprocessing/parts.ts';
import { PREPROCESS_OPTIONS, preprocess as preprocessDataset } from '../preprocessing/preprocess.ts';
import { NNUNET_OPTIONS, preprocessForNnunet } from '../preprocessing/preprocess-nnunet.ts';
import { TableCommand, UsageError } from './command.ts';
import { JSON_FLAG } from './common-flags.ts';
import { ProgressLine, showProgress } from './progress.ts';

const FORMAT_FLAG = {
  format: {
    schema: oneOf(['store', 'nnunet']),
    default: 'store',
    flag: '--format NAME',
    help: "store: a store; nnunet: files for nnU-Net's own training, all configurations or those of --config A,B, in the data set's folder in OUT_DIR",
  },
} as const;

const { planner, gpuMemoryGb } = NNUNET_OPTIONS;
/** Flags that are for nnU-Net's format alone. */
const PLANNER_FLAGS = { planner, gpuMemoryGb };
/** Flags that are for a store alone. */
const STORE_FLAGS = { dtype: PREPROCESS_OPTIONS.dtype, arrays: PREPROCESS_OPTIONS.arrays };

export const preprocess = (): TableCommand =>
  new TableCommand('preprocess')
    .withFiles()
    .summary('turn a raw data set into a store, or into what nnU-Net trains on')
    .description(
      'Turns an nnU-Net raw data set (dataset.json, imagesTr, labelsTr) into a store, as nnU-Net preprocesses it: crop to nonzero, transpose, normalise, resample, class locations, splits_final.json. Or into the files of nnUNet_preprocessed, for nnU-Net itself. Run it again after an interruption and it continues. Several machines share the work with --part, see docs/clusters.md.',
    )
    .argument('<RAW_DIR>', "a data set in nnU-Net's raw layout")
    .argument('<OUT_DIR>', 'the folder of the store, or nnUNet_preprocessed')
    .flags(FORMAT_FLAG)
    .flags(PREPROCESS_OPTIONS)
    .flags(PLANNER_FLAGS)
    .flags(JSON_FLAG)
    .action(async (rawDir: string, outDir: string, _values: unknown, command: TableCommand) => {
      const { json } = await command.checked(JSON_FLAG);
      const { format } = await command.checked(FORMAT_FLAG);
      const progress = new ProgressLine();
      const run = format === 'nnunet' ? writeForNnunet : writeStore;
      const { report, lines } = await run(command, rawDir, outDir, (state) => showProgress(progress, state));
      for (const note of report.notes) process.stderr.write(`note: ${note}\n`);
      process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : lines.map((line) => `${line}\n`).join(''));
    });

type OnProgress = NonNullable<Parameters<typeof preprocessDataset>[2]>['onProgress'];

async function writeStore(command: TableCommand, rawDir: string, outDir: string, onProgress: OnProgress) {
  const [flag] = Object.keys(await command.given(PLANNER_FLAGS));
  if (flag !== undefined)
    throw new UsageError(`${PLANNER_FLAGS[flag as 'planner'].flag}: it goes with --format nnunet. For a store, plan first: voxfeed plan`);
  const report = await preprocessDataset(rawDir, outDir, {
    ...(await command.given(PREPROCESS_OPTIONS)),
    ...(onProgress && { onProgress }),
  });
  const { configuration, patchSize, batchSize, oversampling } = report;
  const done = `${report.cases} cases in ${report.dir}, ${report.written} written now`;
  const { part } = await command.given(PART_OPTION);
  if (part !== undefined) return { report, lines: [`part ${showPart(part)}: ${done}`] };
  const lines = [
    done,
    `${configuration}: patch ${patchSize.join('x')}, batch ${batchSize}`,
    `advice: --oversample ${oversampling.recommended} (${oversampling.reason})`,
  ];
  return { report, lines };
}

async function writeForNnunet(command: TableCommand, rawDir: string, outDir: string, onProgress: OnProgress) {
  const [flag] = Object.keys(await command.given(STORE_FLAGS));
  if (flag !== undefined)
    throw new UsageError(`${STORE_FLAGS[flag as 'dtype'].flag}: it goes with --format store. nnU-Net reads float32 from .b2nd files`);
  const { config, ...rest } = await command.given({ ...PREPROCESS_OPTIONS, ...PLANNER_FLAGS });
  const report = await preprocessForNnunet(rawDir, outDir, {
    ...rest,
    ...(config !== undefined && { configs: config.split(',') }),
    ...(onProgress && { onProgress }),
  });
  const lines = report.configurations.map(
    ({ name, dir, written, patchSize, batchSize }) =>
      `${name}: ${report.cases} cases in ${dir}, ${written} written now (patch ${patchSize.join('x')}, batch ${batchSize})`,
  );
  return { report, lines };
}
