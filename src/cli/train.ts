import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { showBytes } from '../common/bytes.ts';
import { CheckpointError, fileError, OptionError } from '../common/errors.ts';
import { readNumber } from '../common/flag-readers.ts';
import type { OptionTable } from '../common/options.ts';
import { flag, positiveNumber, wholeNumber } from '../common/schemas.ts';
import { PatchLoader } from '../loader/loader.ts';
import { LOADER_OPTIONS } from '../loader/options/table.ts';
import { storeConfiguration } from '../planning/store-configuration.ts';
import { isAnnotated, type LabelClass, type Labels } from '../raw/labels.ts';
import { readFold } from '../store/splits.ts';
import { CHECKPOINT_FILE, readCheckpoint } from '../training/checkpoint.ts';
import { Trainer } from '../training/trainer.ts';
import { DEFAULTS, type EpochReport, type TrainingOptions } from '../training/training-options.ts';
import { TableCommand, UsageError } from './command.ts';
import { JSON_FLAG, loaderOptions, outFlag } from './common-flags.ts';
import { ProgressLine } from './progress.ts';

const count = wholeNumber(1, 2 ** 31);

const TRAIN_OPTIONS = {
  epochs: { schema: count, otherwise: `${DEFAULTS.epochs}, or as before`, flag: '--epochs N', read: readNumber, help: 'epochs to train' },
  iterations: { schema: count, default: DEFAULTS.iterations, flag: '--iterations N', read: readNumber, help: 'training steps an epoch' },
  validationIterations: {
    schema: count,
    default: DEFAULTS.validationIterations,
    flag: '--val-iterations N',
    read: readNumber,
    help: 'validation steps an epoch',
  },
  learningRate: {
    schema: positiveNumber(),
    default: DEFAULTS.learningRate,
    flag: '--learning-rate F',
    read: readNumber,
    help: 'of the first epoch',
  },
  half: { schema: flag(), default: false, flag: '--half', help: 'keep feature maps as float16: half the memory; sums stay float32' },
  saveEvery: { schema: count, default: 1, flag: '--save-every N', read: readNumber, help: 'epochs between two checkpoints' },
  ...outFlag('model', 'the folder for checkpoints'),
  continue: { schema: flag(), default: false, flag: '--continue', help: 'go on from the checkpoint in --out' },
  json: { ...JSON_FLAG.json, help: 'print one line of JSON an epoch, and nothing else, on standard output' },
} as const satisfies OptionTable;

export const train = (): TableCommand =>
  new TableCommand('train')
    .summary('train the planned network on the GPU')
    .description(
      "Trains the planned U-Net on the GPU by nnU-Net's recipe, in this process: on a fold's training cases, default 0, validating on its others. Writes a checkpoint after every epoch. --augmentation is default.",
    )
    .argument('<STORE_DIR>', 'a preprocessed data set')
    .flags(LOADER_OPTIONS)
    .flags(TRAIN_OPTIONS)
    .action(async (storeDir: string, _values: unknown, command: TableCommand) => {
      const asked = await command.checked(TRAIN_OPTIONS);
      const { epochs, iterations, validationIterations, learningRate, half, saveEvery, out, continue: goOn, json } = asked;
      const { configs, validation: validating } = await command.given(LOADER_OPTIONS);
      for (const [name, value] of Object.entries({ configs, validation: validating }))
        if (value !== undefined) throw new UsageError(`--${name} is not for training: it takes one configuration, and validates by itself`);
      const before = await readCheckpoint(out);
      if (goOn && before === null)
        throw new CheckpointError(out, `there is no ${CHECKPOINT_FILE} to continue from`, 'Leave --continue out to begin');
      if (!goOn && before !== null)
        throw new CheckpointError(
          out,
          `it holds a training of ${before.epoch} epochs`,
          'Go on with --continue, or choose another folder for --out',
        );

      const base = await loaderOptions(command, storeDir);
      const configuration = storeConfiguration(base.store, base.config);
      if (configuration.network === null)
        throw new OptionError(
          'config',
          `the network of ${configuration.name} is none of nnU-Net's`,
          'Choose a configuration with a PlainConvUNet',
        );
      if (configuration.previousStage !== null)
        throw new OptionError(
          'config',
          `${configuration.name} is the second stage of a cascade, which is not trained here`,
          'Choose another configuration, or train in nnU-Net, fed by voxfeed',
        );
      await using loader = await PatchLoader.create({
        augmentation: 'default',
        ...base,
        deepSupervision: true,
        validation: true,
        ...(before
          ? { state: before.batches }
          : { fold: base.fold ?? 0, epochs: { training: iterations, validation: validationIterations } }),
      });
      const { labels, channels } = base.store.index;
      const [{ patchSize, batchSize, targets }] = loader.shared().layout.configurations;
      const options: TrainingOptions = before?.options ?? {
        configuration: configuration.name,
        network: configuration.network,
        patchSize: [...patchSize],
        batch: batchSize,
        channels: channels.length,
        classes: classesOf(labels),
        ignore: labels.ignore,
        batchDice: configuration.batchDice,
        scales: targets.length,
        storage: half ? 'f16' : DEFAULTS.storage,
        epochs: epochs ?? DEFAULTS.epochs,
        iterations,
        validationIterations,
        learningRate,
        seed: loader.state().seed,
      };
      if (epochs !== undefined) options.epochs = epochs;

      const say = (line: string): void => void (json ? process.stderr : process.stdout).write(`${line}\n`);
      const from = before && { dir: out, checkpoint: before };
      await using trainer = await Trainer.create(options, loader, from);
      say(
        `${trainer.gpu}${trainer.software ? ' (software)' : ''}: ${options.configuration}, patch ${patchSize.join('x')}, batch ${options.batch}, ${showBytes(trainer.bytes)} of GPU memory`,
      );
      const { training, validation } = await readFold(base.store, loader.state().fold);
      say(`${training.length} cases to train on, ${validation.length} to validate on, epochs ${trainer.epochs} to ${options.epochs - 1}`);
      await copyModelFiles(base.store.dir, base.store.index.plans, out);
      const progress = new ProgressLine();
      while (trainer.epochs < options.epochs) {
        const watch = setInterval(() => progress.show(`epoch ${trainer.epochs}`, trainer.steps, options.iterations), 250);
        const report = await trainer.epoch().finally(() => clearInterval(watch));
        progress.show(`epoch ${report.epoch}`, options.iterations, options.iterations);
        process.stdout.write(`${json ? JSON.stringify(report) : showEpoch(report, labels.classes)}\n`);
        if (trainer.epochs % saveEvery === 0 || trainer.epochs === options.epochs) await trainer.save(out);
      }
      say(`${join(out, CHECKPOINT_FILE)}`);
    });

/** Background and every label, which must be numbered 0, 1, 2, …; regions are not trained here. @throws OptionError */
function classesOf({ values, classes }: Labels): number {
  if (classes.some((entry) => !isAnnotated(entry) && entry.labels.length > 1))
    throw new OptionError('store', 'its labels are regions, and this trainer learns labels only', 'Train in nnU-Net, fed by voxfeed');
  if (values.some((value, i) => value !== i))
    throw new OptionError(
      'store',
      `its labels are ${values.join(', ')}, not 0, 1, 2 and so on`,
      'Number them so in dataset.json and the label files',
    );
  return values.length;
}

/** What prediction needs beside the checkpoint: as in nnU-Net's results folders. */
async function copyModelFiles(store: string, plans: string | null, out: string): Promise<void> {
  const copies = [['dataset.json', 'dataset.json'], ...(plans === null ? [] : [[plans, 'plans.json']])];
  for (const [from, to] of copies) {
    try {
      await mkdir(out, { recursive: true });
      await copyFile(join(store, from), join(out, to));
    } catch (error) {
      throw fileError(join(out, to), error);
    }
  }
}

export function showEpoch(report: EpochReport, classes: readonly LabelClass[]): string {
  const { epoch, loss, validationLoss, pseudoDice, patchesPerSecond, stepMs, waitFraction, boundBy } = report;
  const named = classes.filter((entry) => !isAnnotated(entry));
  const dice = pseudoDice?.map((value, i) => `${named[i]?.name ?? i + 1} ${value === null ? '-' : value.toFixed(3)}`).join(' ');
  return [
    `epoch ${epoch}: loss ${loss.toFixed(4)}`,
    ...(validationLoss === null ? [] : [`validation ${validationLoss.toFixed(4)}`]),
    ...(dice === undefined ? [] : [`pseudo-Dice ${dice}`]),
    `${patchesPerSecond.toFixed(1)} patches/s`,
    `${stepMs.toFixed(1)} ms a step`,
    `GPU waited ${(100 * waitFraction).toFixed(1)} % (bound by the ${boundBy})`,
  ].join(', ');
}
