import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from '../common/atomic-file.ts';
import { CheckpointError, FileError, fileError, OptionError } from '../common/errors.ts';
import { ifThere } from '../common/files.ts';
import { openFolder } from '../common/folders.ts';
import { checkOptions, given } from '../common/options.ts';
import { PatchLoader } from '../loader/loader.ts';
import { checkStore, type LoaderOptions } from '../loader/options/options.ts';
import type { ResumeOptions } from '../loader/options/state.ts';
import type { Network } from '../plans/network.ts';
import type { PlannedConfiguration } from '../plans/plans-file.ts';
import { refuseRawFolder } from '../raw/raw-folder.ts';
import { DATASET_FILE, INDEX_FILE } from '../store/file-names.ts';
import { foldOf } from '../store/splits.ts';
import type { Store } from '../store/store.ts';
import { storeConfiguration } from '../store/store-configuration.ts';
import { CHECKPOINT_FILE, type Checkpoint, PLANS_COPY, readCheckpoint } from './checkpoint.ts';
import { outputsOf } from './outputs.ts';
import { FEED_OPTIONS, TRAIN_OPTIONS, type TrainOptions, type TrainReport } from './train-table.ts';
import { Trainer } from './trainer.ts';
import { DEFAULTS, type EpochReport, type TrainingOptions } from './training-options.ts';

/** How often `onProgress` is told, in milliseconds. */
const PROGRESS_MS = 250;

/**
 * Trains the planned U-Net on the GPU by nnU-Net's recipe: on a fold's training cases, validating on its others. Writes checkpoints;
 * a training that was cut off continues from the last one, and makes the losses that it would have made.
 * @param store with plans, see `preprocess`
 * @example
 * const { epochs } = await train(await openStore('store'), {
 *   out: 'model',
 *   fold: 0,
 *   epochs: 100,
 *   onEpoch: ({ epoch, loss }) => console.log(epoch, loss),
 * });
 * @throws OptionError; CheckpointError (there is one already, or none to continue); StoreError, PlansError (nothing to train by);
 * GpuError; and what `PatchLoader` and `onEpoch` throw
 */
export async function train(store: Store, options: TrainOptions): Promise<TrainReport> {
  checkStore(store);
  const { out, saveEvery, autotune, onStart, onProgress, onEpoch } = checkOptions({ ...FEED_OPTIONS, ...TRAIN_OPTIONS }, options);
  await refuseRawFolder(out);
  await refuseStore(out);
  await using _folder = await openFolder(out);
  const before = await checkpointOf(options);
  const recipe = recipeOf(options, before);
  const { configuration, network } = trainable(store, options.config ?? before?.options.configuration);
  await using loader = await PatchLoader.create(loaderOptions(store, options, recipe, before));
  const training = trainingOptions(loader, store, { ...configuration, network }, recipe, before);
  await using trainer = await Trainer.create(training, loader, before && { dir: out, checkpoint: before }, { autotune });
  const { gpu, software, precision, bytes, tuning } = trainer;
  const { fold, cases } = loader.state();
  const chosen = await foldOf(store, fold, cases);
  onStart?.({
    gpu,
    software,
    precision,
    bytes,
    tuning,
    configuration: training.configuration,
    patchSize: training.patchSize,
    batchSize: training.batch,
    training: chosen?.training.length ?? store.cases.length,
    validation: chosen?.validation.length ?? 0,
    epoch: trainer.epochs,
    epochs: training.epochs,
  });
  await copyModelFiles(store, out);
  const epochs: EpochReport[] = [...(before?.history ?? [])];
  const tell = (): void => onProgress?.({ epoch: trainer.epochs, step: trainer.steps, steps: training.iterations });
  while (trainer.epochs < training.epochs) {
    const watch = onProgress && setInterval(tell, PROGRESS_MS);
    const report = await trainer.epoch().finally(() => clearInterval(watch));
    epochs.push(report);
    if (report.best || trainer.epochs % saveEvery === 0 || trainer.epochs === training.epochs) await trainer.save(out);
    await onEpoch?.(report);
  }
  return { dir: out, gpu, software, epochs };
}

/** dataset.json and plans beside a checkpoint would take the place of a store's. @throws FileError */
async function refuseStore(out: string): Promise<void> {
  const index = join(out, INDEX_FILE);
  if ((await ifThere(index, stat(index))) !== null) throw new FileError(out, 'it is a store', 'Choose another folder for checkpoints');
}

/** The checkpoint to continue from, if that is asked for. One that is there is never overwritten unasked. */
async function checkpointOf({ out, continue: goOn = false }: TrainOptions): Promise<Checkpoint | null> {
  const before = await readCheckpoint(out);
  if (goOn && before === null)
    throw new CheckpointError(out, `there is no ${CHECKPOINT_FILE} to continue from`, 'Leave `continue` out to begin');
  if (!goOn && before !== null)
    throw new CheckpointError(out, `it holds a training of ${before.epoch} epochs`, 'Go on with `continue`, or choose another folder');
  return before;
}

/** @throws OptionError for what this trainer cannot train, StoreError, PlansError */
function trainable(store: Store, config: string | undefined): { configuration: PlannedConfiguration; network: Network } {
  const configuration = storeConfiguration(store, config);
  const { name, network } = configuration;
  if (network === null)
    throw new OptionError(
      'config',
      `the network of ${name} is none of nnU-Net's`,
      'Choose a configuration with a PlainConvUNet or a ResidualEncoderUNet',
    );
  return { configuration, network };
}

/** What a training decides, and a checkpoint keeps: a run that is continued takes it from there. */
type Recipe = Pick<TrainingOptions, 'epochs' | 'iterations' | 'validationIterations' | 'learningRate' | 'precision'>;

/** @throws OptionError for what was otherwise before. Only the end may be moved. */
function recipeOf({ epochs, iterations, validationIterations, learningRate, precision }: TrainOptions, before: Checkpoint | null): Recipe {
  const asked = given({ iterations, validationIterations, learningRate, precision });
  const saved = before?.options;
  for (const [name, value] of Object.entries(asked))
    if (saved !== undefined && saved[name as keyof Recipe] !== value)
      throw new OptionError(
        name,
        `the checkpoint was trained with ${saved[name as keyof Recipe]}, not ${value}`,
        'Leave it out when you continue, or begin in another folder',
      );
  return { ...DEFAULTS, ...saved, ...asked, ...given({ epochs }) };
}

/** A training that is continued is fed as it was: what its state says needs no repeating. */
function loaderOptions(store: Store, options: TrainOptions, { iterations, validationIterations }: Recipe, before: Checkpoint | null) {
  const asked = given(Object.fromEntries(Object.entries(options).filter(([name]) => Object.hasOwn(FEED_OPTIONS, name))));
  if (before) return { ...asked, store, state: before.batches } satisfies ResumeOptions;
  const validation = validationIterations > 0;
  return {
    augmentation: 'default',
    ...(options.cases === undefined && { fold: 0 }),
    ...asked,
    store,
    deepSupervision: true,
    // The GPU makes masks of labels: see `targetText`.
    regions: false,
    validation,
    epochs: { training: iterations, ...(validation && { validation: validationIterations }) },
  } satisfies LoaderOptions;
}

function trainingOptions(
  loader: PatchLoader,
  { index: { labels } }: Store,
  { name, network, batchDice }: PlannedConfiguration & { network: Network },
  recipe: Recipe,
  before: Checkpoint | null,
): TrainingOptions {
  if (before !== null) return { ...before.options, epochs: recipe.epochs };
  const { channels, cascadeChannels = 0, configurations } = loader.shared().layout;
  const [{ patchSize, batchSize, targets }] = configurations;
  const { iterations, validationIterations, learningRate, precision, epochs } = recipe;
  return {
    configuration: name,
    network,
    patchSize: [...patchSize],
    batch: batchSize,
    channels: channels + cascadeChannels,
    ...outputsOf(labels),
    ignore: labels.ignore,
    batchDice,
    scales: targets.length,
    precision,
    epochs,
    iterations,
    validationIterations,
    learningRate,
    seed: loader.state().seed,
  };
}

/** What prediction needs beside the checkpoint: as in nnU-Net's results folders. */
async function copyModelFiles({ aboutDir, index: { plans } }: Store, out: string): Promise<void> {
  const copies = [[DATASET_FILE, DATASET_FILE], ...(plans === null ? [] : [[plans, PLANS_COPY]])];
  for (const [from, to] of copies) {
    const path = join(aboutDir, from);
    const bytes = await readFile(path).catch((error) => {
      throw fileError(path, error);
    });
    await writeAtomic(join(out, to), [bytes]);
  }
}
