import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import type { MirrorStep } from '../augmentation/transforms/spatial/mirror.ts';
import { writeAtomic } from '../common/atomic-file.ts';
import { CheckpointError, fileError } from '../common/errors.ts';
import { makeFolders } from '../common/folders.ts';
import { checkContents, parseJson } from '../common/json-file.ts';
import { checkPath, fileName } from '../common/names.ts';
import { faultOf } from '../common/options.ts';
import { flag, list, number, object, oneOf, positiveNumber, text, that, wholeNumber } from '../common/schemas.ts';
import type { LoaderState } from '../loader/options/state.ts';
import { NETWORK } from '../plans/network.ts';
import { PRECISIONS, type Precision } from './gpu/precision.ts';
import type { LossScale } from './loss-scale.ts';
import type { EpochReport, TrainingOptions } from './training-options.ts';
import { encodeWeights, type Layout, readWeights, valuesOf } from './weights.ts';

export const CHECKPOINT_FILE = 'checkpoint.json';
/** The plans beside it, under a name that says no more of whose they are. */
export const PLANS_COPY = 'plans.json';

/** Where a training stands: everything but the numbers of network and optimiser, which lie in files beside it. */
export interface Checkpoint {
  format: 'voxfeed-checkpoint';
  version: 1;
  /** Epochs that are done. */
  epoch: number;
  options: TrainingOptions & { precision: Precision };
  /** Of a training in mixed precision. */
  lossScale: LossScale | null;
  /** The streams after the last batch of the last epoch. */
  batches: LoaderState;
  history: EpochReport[];
  /** The network as it was when the moving mean of the pseudo-Dice was highest; null if there was no validation. */
  best: BestNetwork | null;
  files: { network: string; momentum: string };
}

export interface BestNetwork {
  /** Epochs that were done. */
  epoch: number;
  /** See `movingDice`. */
  movingDice: number;
  /** The name of the file with its parameters. */
  network: string;
}

export interface Numbers {
  values: Float32Array<ArrayBufferLike>;
  momentum: Float32Array<ArrayBufferLike>;
}

/**
 * Writes a checkpoint: first the files with numbers, under names of their own, then the JSON that names them, then older files
 * leave. Whenever it is cut off, the folder holds one whole checkpoint.
 */
export async function writeCheckpoint(
  dir: string,
  checkpoint: Omit<Checkpoint, 'format' | 'version' | 'files'>,
  list: readonly Layout[],
  numbers: Numbers,
): Promise<void> {
  await makeFolders(dir);
  const { epoch, best, options } = checkpoint;
  const files = { network: networkFile(epoch), momentum: `momentum-${epoch}.safetensors` };
  const trainedAs = { configuration: options.configuration, mirrorAxes: mirrorAxes(checkpoint) };
  await writeAtomic(join(dir, files.network), encodeWeights(list, numbers.values, trainedAs));
  await writeAtomic(join(dir, files.momentum), encodeWeights(list, numbers.momentum, trainedAs));
  const json: Checkpoint = { format: 'voxfeed-checkpoint', version: 1, ...checkpoint, files };
  await writeAtomic(join(dir, CHECKPOINT_FILE), [Buffer.from(`${JSON.stringify(json, null, 1)}\n`)]);
  const kept: (string | undefined)[] = [files.network, files.momentum, best?.network];
  const outdated = (name: string) => /^(network|momentum)-\d+\.safetensors$/.test(name) && !kept.includes(name);
  try {
    for (const name of await readdir(dir)) if (outdated(name)) await rm(join(dir, name), { force: true });
  } catch (error) {
    throw fileError(dir, error);
  }
}

/** The file with the network after so many epochs. */
export const networkFile = (epoch: number): string => `network-${epoch}.safetensors`;

/** The axes that training mirrored, counted among the patch's own. */
function mirrorAxes({ batches, options }: Pick<Checkpoint, 'batches' | 'options'>): number[] {
  const before = 3 - options.patchSize.length;
  const step = batches.augmentation.find((step) => step.transform === 'mirror');
  return ((step as MirrorStep | undefined)?.axes ?? []).map((axis) => axis - before).filter((axis) => axis >= 0);
}

const TRAIN_AGAIN = 'Train again, with another folder for `out`';
const REFUSAL = { Failure: CheckpointError, action: TRAIN_AGAIN };

const KIND = object({
  format: that('that of a checkpoint', (format) => format === 'voxfeed-checkpoint'),
  version: that('a version that is read here', (version) => version === 1),
});
const count = (least = 1) => wholeNumber(least, 2 ** 31);
const label = () => wholeNumber(0, 32767);

/** The batches are checked where they go on: see `applyState`. */
const CHECKPOINT = object({
  epoch: count(0),
  options: object({
    configuration: text('the name of a configuration'),
    network: NETWORK,
    patchSize: list(count()),
    batch: count(),
    channels: count(),
    classes: count(),
    ignore: v.nullable(label()),
    regions: v.optional(list(list(label()))),
    batchDice: flag(),
    scales: count(),
    precision: oneOf(PRECISIONS),
    epochs: count(),
    iterations: count(),
    validationIterations: count(0),
    learningRate: positiveNumber(),
    seed: wholeNumber(0, Number.MAX_SAFE_INTEGER),
  }),
  lossScale: v.nullable(object({ scale: positiveNumber(), steps: count(0) })),
  batches: object({}),
  history: list(object({ epoch: count(0), losses: list(v.nullable(number())) })),
  best: v.nullish(object({ epoch: count(), movingDice: number(0, 1), network: fileName() })),
  files: object({ network: fileName(), momentum: fileName() }),
});

/** The checkpoint in a folder; null if there is none. @throws CheckpointError for one that cannot be used, FileError */
export async function readCheckpoint(dir: string): Promise<Checkpoint | null> {
  checkPath('dir', dir);
  const path = join(dir, CHECKPOINT_FILE);
  const contents = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (['ENOENT', 'ENOTDIR'].includes(error.code ?? '')) return null;
    throw fileError(path, error);
  });
  if (contents === null) return null;
  const checkpoint = parseJson(path, contents, v.unknown(), REFUSAL);
  if (faultOf(KIND, checkpoint) !== null)
    throw new CheckpointError(path, 'it is no checkpoint that this version of voxfeed reads', TRAIN_AGAIN);
  checkContents(path, checkpoint, CHECKPOINT, REFUSAL);
  return { ...(checkpoint as Checkpoint), best: (checkpoint as Checkpoint).best ?? null };
}

/** The numbers that belong to a checkpoint, in the order of `list`. @throws CheckpointError if they do not fit the network */
export async function readNumbers(dir: string, { files }: Checkpoint, list: readonly Layout[], length: number): Promise<Numbers> {
  const read = async (name: string): Promise<Float32Array> => valuesOf(await readWeights(join(dir, name)), list, length);
  return { values: await read(files.network), momentum: await read(files.momentum) };
}
