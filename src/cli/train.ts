import { join } from 'node:path';
import { showBytes } from '../common/bytes.ts';
import type { OptionTable } from '../common/options.ts';
import { flag } from '../common/schemas.ts';
import { foregroundOf, type LabelClass } from '../raw/labels.ts';
import { openStore } from '../store/store.ts';
import { CHECKPOINT_FILE } from '../training/checkpoint.ts';
import { type AdapterReport, adapterReport } from '../training/gpu/adapter-report.ts';
import { train as trainNetwork } from '../training/train.ts';
import { FEED_OPTIONS, TRAIN_OPTIONS } from '../training/train-table.ts';
import type { EpochReport, TuneReport } from '../training/training-options.ts';
import { TableCommand, UsageError } from './command.ts';
import { JSON_FLAG, METRICS_FLAG, metricsServer, outFlag } from './common-flags.ts';
import { ProgressLine } from './progress.ts';

const FLAGS = { ...TRAIN_OPTIONS, ...outFlag('model', TRAIN_OPTIONS.out.help) } as const satisfies OptionTable;
const REPORT_FLAGS = {
  gpuInfo: { schema: flag(), default: false, flag: '--gpu-info', help: 'print what the GPU and its driver offer, and train nothing' },
  json: { ...JSON_FLAG.json, help: 'print one line of JSON an epoch, and nothing else, on standard output' },
} as const satisfies OptionTable;

export const train = (): TableCommand =>
  new TableCommand('train')
    .withFiles()
    .summary('train the planned network on the GPU')
    .description(
      "Trains the planned U-Net on the GPU by nnU-Net's recipe, in this process: on a fold's training cases, default 0, validating on its others. Writes a checkpoint after every epoch. --augmentation is default.",
    )
    .argument('[STORE_DIR]', 'a preprocessed data set')
    .flags(FEED_OPTIONS)
    .flags(FLAGS)
    .flags(REPORT_FLAGS)
    .flags(METRICS_FLAG)
    .action(async (storeDir: string | undefined, _values: unknown, command: TableCommand) => {
      const { json, gpuInfo } = await command.checked(REPORT_FLAGS);
      if (gpuInfo) {
        const report = await adapterReport();
        process.stdout.write(json ? `${JSON.stringify(report)}\n` : showAdapter(report));
        return;
      }
      if (storeDir === undefined) throw new UsageError("missing required argument 'STORE_DIR'");
      const feed = await command.given(FEED_OPTIONS);
      const { out = FLAGS.out.default, ...asked } = await command.given(FLAGS);
      using _metrics = await metricsServer(command);
      const store = await openStore(storeDir);
      const say = (line: string): void => void (json ? process.stderr : process.stdout).write(`${line}\n`);
      const progress = new ProgressLine();
      const { dir } = await trainNetwork(store, {
        ...feed,
        ...asked,
        out,
        onStart({ gpu, software, precision, bytes, tuning, configuration, patchSize, batchSize, training, validation, epoch, epochs }) {
          say(
            `${gpu}${software ? ' (software)' : ''}: ${configuration}, patch ${patchSize.join('x')}, batch ${batchSize}, precision ${precision}, ${showBytes(bytes)} of GPU memory`,
          );
          if (tuning) say(showTuning(tuning));
          const coming = epoch < epochs ? `epochs ${epoch} to ${epochs - 1}` : `all ${epoch} epochs are done: --epochs above that goes on`;
          say(`${training} cases to train on, ${validation} to validate on, ${coming}`);
        },
        onProgress: ({ epoch, step, steps }) => progress.show(`epoch ${epoch}`, step, steps),
        onEpoch(report) {
          progress.show(`epoch ${report.epoch}`, report.losses.length, report.losses.length);
          process.stdout.write(`${json ? JSON.stringify(report) : showEpoch(report, store.classes)}\n`);
        },
      });
      say(join(dir, CHECKPOINT_FILE));
    });

export function showEpoch(report: EpochReport, classes: readonly LabelClass[]): string {
  const { epoch, loss, validationLoss, pseudoDice, movingDice, best, patchesPerSecond, stepMs, waitFraction, boundBy } = report;
  const named = foregroundOf(classes);
  const dice = pseudoDice?.map((value, i) => `${named[i]?.name ?? i + 1} ${value === null ? '-' : value.toFixed(3)}`).join(' ');
  return [
    `epoch ${epoch}: loss ${loss.toFixed(4)}`,
    ...(validationLoss === null ? [] : [`validation ${validationLoss.toFixed(4)}`]),
    ...(dice === undefined ? [] : [`pseudo-Dice ${dice}`]),
    ...(dice === undefined || movingDice === null ? [] : [`moving mean ${movingDice.toFixed(3)}${best ? ' (best so far)' : ''}`]),
    `${patchesPerSecond.toFixed(1)} patches/s`,
    `${stepMs.toFixed(1)} ms a step`,
    `GPU waited ${(100 * waitFraction).toFixed(1)} % (bound by the ${boundBy})`,
  ].join(', ');
}

function showTuning({ known, measured, left, seconds }: TuneReport): string {
  const rest = left === 0 ? '' : `, ${left} left for the next start`;
  return `autotune: tiles of ${measured} products measured in ${seconds.toFixed(1)} s, of ${known} known from before${rest}`;
}

/** One line a field. */
function showAdapter({ limits, ...rest }: AdapterReport): string {
  const show = (value: unknown): unknown => (Array.isArray(value) ? value.join(', ') || 'none' : value === '' ? 'unknown' : value);
  return Object.entries({ ...rest, ...limits })
    .map(([name, value]) => `${name}: ${show(value)}\n`)
    .join('');
}
