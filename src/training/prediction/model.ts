import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import * as v from 'valibot';
import { CheckpointError, fileError } from '../../common/errors.ts';
import { readNumber } from '../../common/flag-readers.ts';
import type { Axis } from '../../common/geometry.ts';
import type { Checked, Given, OptionTable } from '../../common/options.ts';
import { list, oneOf, that } from '../../common/schemas.ts';
import { type Configuration, plannedReader, readPlans, resolveConfiguration } from '../../plans/plans-file.ts';
import { type DatasetDescription, readClassOrder, readDatasetJson } from '../../raw/dataset-json.ts';
import type { Reader } from '../../raw/readers.ts';
import { DATASET_FILE } from '../../store/file-names.ts';
import { CHECKPOINT_FILE, PLANS_COPY, readCheckpoint } from '../checkpoint.ts';
import type { UnetOptions } from '../network/unet.ts';
import { outputsOf } from '../outputs.ts';
import { readWeights, type Weights } from '../weights.ts';

const isFold = (fold: unknown): boolean => fold === 'all' || (Number.isInteger(fold) && (fold as number) >= 0);

/** Which networks of a model are to predict. */
export const MODEL_OPTIONS = {
  /** 'final': as training left it. 'best': as it was when the moving mean of the pseudo-Dice was highest. Default 'final'. */
  checkpoint: {
    schema: oneOf(['final', 'best']),
    default: 'final',
    flag: '--checkpoint NAME',
    help: 'final: the network as training left it; best: as it was when the moving mean of the pseudo-Dice was highest',
  },
  /** Of a folder with fold_0, fold_1 and so on: which of them, for the mean of their logits. Default: all that have a number. */
  folds: {
    schema: v.pipe(
      list(that<number | 'all'>("a fold from 0 on, or 'all'", isFold)),
      v.minLength(1, 'it is empty'),
      v.check((folds) => new Set(folds).size === folds.length, 'it names a fold twice\nName each once'),
      v.description("folds from 0 on, or 'all'"),
    ),
    otherwise: 'all that have a number',
    flag: '--folds LIST',
    read: (text) => text.split(',').map(readNumber),
    typed: 'folds such as 0,1,2, each once, or all',
    help: 'of a folder with fold_0, fold_1 and so on: which of them, for the mean of their logits',
  },
} as const satisfies OptionTable;

/** Which networks of a model are to predict. */
export interface ModelOptions extends Given<typeof MODEL_OPTIONS> {}

/** Everything that prediction needs to know of what was trained. */
export interface Model {
  /** The data set that it was trained on. */
  description: DatasetDescription;
  /** By whose rules images are read. */
  reader: Reader;
  configuration: Configuration;
  network: ModelNetwork;
  /** The label of each output, where those are regions; null: they are background and labels. */
  regions: number[] | null;
  /** Axes that training mirrored: 0, 1, 2 for z, y, x. */
  mirrorAxes: Axis[];
  /** One a fold. */
  weights: Weights[];
}

export type ModelNetwork = Required<Pick<UnetOptions, 'network' | 'patchSize' | 'channels' | 'classes' | 'precision'>>;

type Name = Checked<typeof MODEL_OPTIONS>['checkpoint'];

/** The networks in a folder, ours or nnU-Net's. @throws CheckpointError, PlansError, DatasetError, FileError */
export async function openModel(dir: string, { checkpoint, folds }: Checked<typeof MODEL_OPTIONS>): Promise<Model> {
  const dirs = await foldFolders(dir, folds);
  const [first, ...rest] = await Promise.all(dirs.map((fold) => openFold(fold, checkpoint)));
  const kind = ({ network, configuration }: Fold): string => JSON.stringify([configuration.name, network]);
  const other = rest.find((fold) => kind(fold) !== kind(first));
  if (other !== undefined)
    throw new CheckpointError(
      other.weights.path,
      `its network is another than that of ${first.weights.path}`,
      'Choose folds of one training',
    );
  const axes = first.network.patchSize.length;
  return {
    ...first,
    mirrorAxes: first.weights.mirrorAxes.map((axis) => (axis + 3 - axes) as Axis),
    weights: [first, ...rest].map(({ weights }) => weights),
  };
}

/** The folder itself if it holds a checkpoint, else those of its folds. */
async function foldFolders(dir: string, folds: ModelOptions['folds']): Promise<string[]> {
  if (folds !== undefined) return folds.map((fold) => join(dir, `fold_${fold}`));
  if (await exists(join(dir, CHECKPOINT_FILE))) return [dir];
  const names = await readdir(dir).catch((error) => {
    throw fileError(dir, error);
  });
  const found = names.flatMap((name) => /^fold_(\d+)$/.exec(name)?.[1] ?? []).map(Number);
  if (found.length === 0)
    throw new CheckpointError(
      dir,
      `there is no ${CHECKPOINT_FILE} in it, and no fold_0, fold_1 and so on`,
      "Give the folder that `voxfeed train --out` wrote, or nnU-Net's of a training",
    );
  return found.sort((a, b) => a - b).map((fold) => join(dir, `fold_${fold}`));
}

type Fold = Omit<Model, 'mirrorAxes' | 'weights'> & { weights: Weights };

async function openFold(dir: string, name: Name): Promise<Fold> {
  const ours = await readCheckpoint(dir);
  if (ours === null) return openNnunetFold(dir, name);
  const { options, best, files } = ours;
  if (name === 'best' && best === null)
    throw new CheckpointError(dir, 'it has no best network: no epoch of its training was validated', 'Predict with the final one');
  const weights = await readWeights(join(dir, name === 'best' && best !== null ? best.network : files.network));
  const { network, patchSize, channels, classes, precision } = options;
  return { ...(await readAbout(dir, options.configuration)), network: { network, patchSize, channels, classes, precision }, weights };
}

/** A fold of nnU-Net's results, its weights converted (docs/training.md#weights). Plans and dataset.json lie one folder up. */
async function openNnunetFold(dir: string, name: Name): Promise<Fold> {
  const path = join(dir, `checkpoint_${name}.safetensors`);
  if (!(await exists(path)))
    throw new CheckpointError(
      dir,
      `there is no ${CHECKPOINT_FILE} in it, and no ${basename(path)}`,
      "Give the folder that `voxfeed train --out` wrote, or one of nnU-Net's whose checkpoints were converted: docs/training.md says how",
    );
  const weights = await readWeights(path);
  if (weights.configuration === null)
    throw new CheckpointError(path, 'its header does not say of which configuration it is', 'Convert it as docs/training.md says');
  const about = await readAbout(dirname(dir), weights.configuration);
  const { network, patchSize, previousStage, name: configuration } = about.configuration;
  if (network === null)
    throw new CheckpointError(path, `the network of ${configuration} is none of nnU-Net's`, 'Predict with one that plans describe');
  const { channels, labels } = about.description;
  // In a cascade, one a foreground label comes to those of the images.
  const inputs = channels.length + (previousStage === null ? 0 : labels.values.length - 1);
  const { classes } = outputsOf(labels);
  // nnU-Net's files do not say how they were trained.
  return { ...about, network: { network, patchSize, channels: inputs, classes, precision: 'float32' }, weights };
}

async function readAbout(dir: string, name: string): Promise<Pick<Model, 'description' | 'reader' | 'configuration' | 'regions'>> {
  const datasetPath = join(dir, DATASET_FILE);
  const description = await readDatasetJson(datasetPath);
  const path = join(dir, PLANS_COPY);
  const plans = await readPlans(path);
  const { regions } = outputsOf(description.labels);
  return {
    description,
    configuration: resolveConfiguration(path, plans, name),
    reader: plannedReader(path, plans, description),
    regions: regions === undefined ? null : readClassOrder(datasetPath, description.regionsClassOrder, regions.length),
  };
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
