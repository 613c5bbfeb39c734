import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { writeAtomic } from '../common/atomic-file.ts';
import { CheckpointError, fileError } from '../common/errors.ts';
import { makeFolders } from '../common/folders.ts';
import { voxels } from '../common/geometry.ts';
import { checkContents, parseJson } from '../common/json-file.ts';
import { checkPath, fileName } from '../common/names.ts';
import { faultOf } from '../common/options.ts';
import { flag, list, number, object, oneOf, positiveNumber, text, that, wholeNumber } from '../common/schemas.ts';
import { decodeSafetensors, encodeSafetensors } from '../formats/safetensors.ts';
import type { LoaderState } from '../loader/options/state.ts';
import { NETWORK } from '../plans/network.ts';
import { PRECISIONS, type Precision } from './gpu/precision.ts';
import type { LossScale } from './loss-scale.ts';
import type { Parameter } from './network/parameters.ts';
import type { EpochReport, TrainingOptions } from './training-options.ts';

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
  files: { network: string; momentum: string };
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
  list: readonly Parameter[],
  numbers: Numbers,
): Promise<void> {
  await makeFolders(dir);
  const files = { network: `network-${checkpoint.epoch}.safetensors`, momentum: `momentum-${checkpoint.epoch}.safetensors` };
  const tensors = (all: Float32Array) =>
    list.map(({ name, shape, offset }) => ({ name, shape, data: all.subarray(offset, offset + voxels(shape)) }));
  const metadata = { format: 'pt', epoch: String(checkpoint.epoch) };
  await writeAtomic(join(dir, files.network), encodeSafetensors(tensors(numbers.values), metadata));
  await writeAtomic(join(dir, files.momentum), encodeSafetensors(tensors(numbers.momentum), metadata));
  const json: Checkpoint = { format: 'voxfeed-checkpoint', version: 1, ...checkpoint, files };
  await writeAtomic(join(dir, CHECKPOINT_FILE), [Buffer.from(`${JSON.stringify(json, null, 1)}\n`)]);
  const outdated = (name: string) => /^(network|momentum)-\d+\.safetensors$/.test(name) && !Object.values(files).includes(name);
  try {
    for (const name of await readdir(dir)) if (outdated(name)) await rm(join(dir, name), { force: true });
  } catch (error) {
    throw fileError(dir, error);
  }
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
  return checkpoint as Checkpoint;
}

/** The numbers that belong to a checkpoint, in the order of `list`. @throws CheckpointError if they do not fit the network */
export async function readNumbers(dir: string, { files }: Checkpoint, list: readonly Parameter[], length: number): Promise<Numbers> {
  const read = async (name: string): Promise<Float32Array> => {
    const path = join(dir, name);
    const bytes = await readFile(path).catch((error) => {
      throw fileError(path, error);
    });
    const all = new Float32Array(length);
    try {
      const tensors = decodeSafetensors(bytes);
      for (const { name, shape, offset } of list) {
        const tensor = tensors.get(name);
        if (tensor === undefined) throw new RangeError(`${name} is missing`);
        if (tensor.shape.join() !== shape.join()) throw new RangeError(`${name} has shape ${tensor.shape}, the network wants ${shape}`);
        const bad = tensor.data.findIndex((value) => !Number.isFinite(value));
        if (bad >= 0) throw new RangeError(`${name} has the value ${tensor.data[bad]}: the training that wrote it went astray`);
        all.set(tensor.data, offset);
      }
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new CheckpointError(path, error.message, TRAIN_AGAIN, { cause: error });
    }
    return all;
  };
  return { values: await read(files.network), momentum: await read(files.momentum) };
}
