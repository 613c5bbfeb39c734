import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { showBytes } from '../common/bytes.ts';
import { CheckpointError, fileError, OptionError } from '../common/errors.ts';
import { PatchLoader } from '../loader/loader.ts';
import { storeConfiguration } from '../planning/store-configuration.ts';
import { isAnnotated, type LabelClass, type Labels } from '../raw/labels.ts';
import { readFold } from '../store/splits.ts';
import { CHECKPOINT_FILE, readCheckpoint } from '../training/checkpoint.ts';
import { Trainer } from '../training/trainer.ts';
import { DEFAULTS, type EpochReport, type TrainingOptions } from '../training/training-options.ts';
import { type Command, LOADER_ARGUMENTS, LOADER_USAGE, loaderOptions, number, parse, positive, text, UsageError } from './arguments.ts';
import { ProgressLine } from './progress.ts';

export const train: Command = {
  usage: `usage: voxfeed train STORE_DIR [--config NAME] [--fold N] [--epochs N] [--out DIR] [--continue] [--json]

Trains the planned U-Net on the GPU by nnU-Net's recipe, in this process: on a fold's training cases, default 0, validating on its
others. Writes a checkpoint after every epoch. --augmentation is default.

${LOADER_USAGE}
  --epochs N          default ${DEFAULTS.epochs}
  --iterations N      training steps an epoch; default ${DEFAULTS.iterations}
  --val-iterations N  validation steps an epoch; default ${DEFAULTS.validationIterations}
  --learning-rate F   of the first epoch; default ${DEFAULTS.learningRate}
  --half              keep feature maps as float16: half the memory; sums stay float32
  --save-every N      epochs between two checkpoints; default 1
  --out DIR           where checkpoints go; default model
  --continue          go on from the checkpoint in --out
  --json              print one line of JSON an epoch, and nothing else, on standard output`,

  async run(words) {
    const { given, values } = parse(words, ['STORE_DIR'], {
      ...LOADER_ARGUMENTS,
      epochs: 'string',
      iterations: 'string',
      'val-iterations': 'string',
      'learning-rate': 'string',
      half: 'boolean',
      'save-every': 'string',
      out: 'string',
      continue: 'boolean',
      json: 'boolean',
    });
    const rate = number(values, 'learning-rate') ?? DEFAULTS.learningRate;
    if (!(rate > 0)) throw new UsageError(`--learning-rate must be above 0, not ${rate}`);
    const epochs = values.epochs === undefined ? null : positive(values, 'epochs', 1);
    const iterations = positive(values, 'iterations', DEFAULTS.iterations);
    const validationIterations = positive(values, 'val-iterations', DEFAULTS.validationIterations);
    const saveEvery = positive(values, 'save-every', 1);
    const out = text(values, 'out') ?? 'model';
    const before = await readCheckpoint(out);
    if (values.continue && before === null)
      throw new CheckpointError(out, `there is no ${CHECKPOINT_FILE} to continue from`, 'Leave --continue out to begin');
    if (!values.continue && before !== null)
      throw new CheckpointError(
        out,
        `it holds a training of ${before.epoch} epochs`,
        'Go on with --continue, or choose another folder for --out',
      );

    for (const name of ['configs', 'validation'])
      if (values[name] !== undefined)
        throw new UsageError(`--${name} is not for training: it takes one configuration, and validates by itself`);
    const base = await loaderOptions(given[0], values);
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
      storage: values.half ? 'f16' : DEFAULTS.storage,
      epochs: epochs ?? DEFAULTS.epochs,
      iterations,
      validationIterations,
      learningRate: rate,
      seed: loader.state().seed,
    };
    if (epochs !== null) options.epochs = epochs;

    const say = (line: string): void => void (values.json ? process.stderr : process.stdout).write(`${line}\n`);
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
      process.stdout.write(`${values.json ? JSON.stringify(report) : showEpoch(report, labels.classes)}\n`);
      if (trainer.epochs % saveEvery === 0 || trainer.epochs === options.epochs) await trainer.save(out);
    }
    say(`${join(out, CHECKPOINT_FILE)}`);
  },
};

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
