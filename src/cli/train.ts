import { join } from 'node:path';
import { showBytes } from '../common/bytes.ts';
import { foregroundOf, type LabelClass } from '../raw/labels.ts';
import { CHECKPOINT_FILE } from '../training/checkpoint.ts';
import { train as trainNetwork } from '../training/train.ts';
import { DEFAULTS, type EpochReport } from '../training/training-options.ts';
import {
  type Command,
  LOADER_ARGUMENTS,
  LOADER_USAGE,
  loaderOptions,
  number,
  parse,
  positive,
  text,
  UsageError,
  given as withoutUndefined,
} from './arguments.ts';
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
    const rate = number(values, 'learning-rate');
    if (rate !== undefined && !(rate > 0)) throw new UsageError(`--learning-rate must be above 0, not ${rate}`);
    const whole = (name: string): number | undefined => (values[name] === undefined ? undefined : positive(values, name, 1));
    const own = {
      epochs: whole('epochs'),
      iterations: whole('iterations'),
      validationIterations: whole('val-iterations'),
      learningRate: rate,
      half: values.half as boolean | undefined,
      saveEvery: whole('save-every'),
      continue: values.continue as boolean | undefined,
    };
    for (const name of ['configs', 'validation'])
      if (values[name] !== undefined)
        throw new UsageError(`--${name} is not for training: it takes one configuration, and validates by itself`);
    // Targets are those of the planned network, whatever is asked for.
    const { store, epochs: _, deepSupervision: __, ...loader } = await loaderOptions(given[0], values);
    const say = (line: string): void => void (values.json ? process.stderr : process.stdout).write(`${line}\n`);
    const progress = new ProgressLine();
    const { dir } = await trainNetwork(store, {
      ...loader,
      ...withoutUndefined(own),
      out: text(values, 'out') ?? 'model',
      onStart({ gpu, software, bytes, configuration, patchSize, batchSize, training, validation, epoch, epochs }) {
        say(
          `${gpu}${software ? ' (software)' : ''}: ${configuration}, patch ${patchSize.join('x')}, batch ${batchSize}, ${showBytes(bytes)} of GPU memory`,
        );
        say(`${training} cases to train on, ${validation} to validate on, epochs ${epoch} to ${epochs - 1}`);
      },
      onProgress: ({ epoch, step, steps }) => progress.show(`epoch ${epoch}`, step, steps),
      onEpoch(report) {
        progress.show(`epoch ${report.epoch}`, report.losses.length, report.losses.length);
        process.stdout.write(`${values.json ? JSON.stringify(report) : showEpoch(report, store.classes)}\n`);
      },
    });
    say(join(dir, CHECKPOINT_FILE));
  },
};

export function showEpoch(report: EpochReport, classes: readonly LabelClass[]): string {
  const { epoch, loss, validationLoss, pseudoDice, patchesPerSecond, stepMs, waitFraction, boundBy } = report;
  const named = foregroundOf(classes);
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
