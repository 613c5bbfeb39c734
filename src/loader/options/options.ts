import { availableParallelism } from 'node:os';
import { withPrevious } from '../../augmentation/cascade.ts';
import { resolveSteps } from '../../augmentation/options.ts';
import type { PresetName } from '../../augmentation/presets.ts';
import { scalesOf, targetShapes } from '../../augmentation/targets.ts';
import type { Step } from '../../augmentation/transform.ts';
import type { PipelineStep } from '../../augmentation/transforms/index.ts';
import { machineMemory } from '../../common/bytes.ts';
import { OptionError } from '../../common/errors.ts';
import { patchOf, type Triple } from '../../common/geometry.ts';
import type { Normalisation } from '../../planning/normalisation.ts';
import { storeConfiguration } from '../../planning/store-configuration.ts';
import { isAnnotated } from '../../raw/labels.ts';
import { PAD_MODES, type PadMode } from '../../reading/pad.ts';
import type { Exposure } from '../../sampling/exposure.ts';
import type { Weight } from '../../sampling/mix.ts';
import { type ResolvedSampling, resolveSampling, SAMPLING_OPTIONS, type SamplingChoices } from '../../sampling/options.ts';
import type { PreviousStage } from '../../store/previous-stage.ts';
import type { CaseChoice } from '../../store/splits.ts';
import type { Store } from '../../store/store.ts';

/** What a `PatchLoader` is made from. */
export interface LoaderOptions extends SamplingChoices {
  /** An opened store; see `openStore`. */
  store: Store;
  /** Take patch and batch size from this configuration of the store's plans. Default: the one the store was written for. */
  config?: string;
  /** Patch size in voxels, array order: [z, y, x], or [y, x] for 2D patches out of 3D volumes. Default: as planned. */
  patchSize?: readonly number[];
  /** Samples a batch, of all ranks together. Default: as planned. */
  batchSize?: number;
  /** Names the stream: a whole number from 0 to 2^53 - 1. Default 0. */
  seed?: number;
  /** Worker threads. Default: one per core. They change the speed, never the stream. */
  workers?: number;
  /**
   * What is done to patches: the name of a preset, or a list of steps (see `presetSteps`). 'default' is nnU-Net's training
   * pipeline, 'validation' its other one. Default 'none': patches as they are stored.
   */
  augmentation?: PresetName | readonly PipelineStep[];
  /** Decide labels bit for bit as nnU-Net does where a preset rotates or scales, quirks included; slow. Default false. */
  nnunetCompat?: boolean;
  /**
   * Coarser targets besides the labels: true for those that the planned network wants, or the scales of each target along each axis,
   * the first all 1. Default false.
   */
  deepSupervision?: boolean | readonly (readonly number[])[];
  /**
   * Whether targets are the masks of the data set's regions, one channel each, an ignore label's last. Default: where it has regions,
   * except with augmentation 'none'.
   */
  regions?: boolean;
  /**
   * For a cascade's second stage: the folder with the previous stage's segmentation of every case, `CASE.npy` or `CASE.nii.gz`, labels on
   * the grid of the store. They become one channel a foreground label, behind those of the image. A NIfTI file is converted once, to
   * `CASE.npy` beside it.
   */
  previousStage?: string;
  /** What stands outside a volume in images: 'constant' (0, the default), 'edge' or 'reflect'. Targets always get -1. */
  padMode?: PadMode;
  /** Batches in shared memory at once: being filled, ready and held. Default: enough to keep all workers busy. */
  ring?: number;
  /**
   * Keep cases in shared memory, up to this many bytes: cropping from there is about twice as fast as from the page cache. The
   * first cases of the store that fit have a place. 0 keeps none. Default: 1 GiB, less where memory is short.
   */
  cacheBytes?: number;
  /** Refuse to take more memory than this. Default: half of what the machine has. */
  maxMemoryBytes?: number;
  /** Mix batches of several configurations in one stream, in place of `config`, `patchSize` and `batchSize`. */
  configs?: readonly ConfigOptions[];
  /** Train on the cases of a fold of the store's splits_final.json, or on all as nnU-Net's fold 'all' does. Default: all. */
  fold?: number | 'all';
  /**
   * In place of `fold`: the ids of the cases to train on, and of those to validate on. For splits that have no number in the store's file.
   */
  cases?: CaseChoice;
  /** Also stream the validation cases of `fold` or `cases`, see `PatchLoader.validation`. Default false. */
  validation?: boolean | ValidationOptions;
  /** How many batches make an epoch of each stream. Default: nnU-Net's 250 and 50. They change no batch. */
  epochs?: { training?: number; validation?: number };
}

/** One configuration of a mixed stream. What it leaves out is as the loader's own options say. */
export interface ConfigOptions extends Pick<LoaderOptions, (typeof CONFIG_OPTIONS)[number]> {
  /** Batches of this configuration in every round, or that from which batch on: [[0, 3], [1000, 1]]. Default 1. */
  weight?: Weight;
}

/** The validation stream: the training configurations without augmentation, on other cases, with random numbers of its own. */
export interface ValidationOptions {
  /** Default: 'validation', or 'none' where training has that. */
  augmentation?: PresetName | readonly PipelineStep[];
  /** Target exposures of its own; null: none. Default: as for training, of the validation cases. */
  exposure?: Exposure | null;
  /** Its batches in shared memory at once. Default: enough to keep all workers busy while somebody waits. */
  ring?: number;
}

/** What configurations of one stream may differ in. */
export const CONFIG_OPTIONS = [
  'config',
  'patchSize',
  'batchSize',
  'oversample',
  'probabilisticOversampling',
  'caseWeights',
  'classWeights',
  'exposure',
  'padMode',
  'augmentation',
  'nnunetCompat',
  'deepSupervision',
  'regions',
] as const;

/** Checked options, nothing left open. `null` means that the loader chooses. */
export interface ResolvedOptions extends ResolvedSampling {
  store: Store;
  patchSize: number[];
  /** The patch in three axes: a 2D patch has 1 along axis 0. */
  patch: Triple;
  /** Of all ranks together; `share.count` of them are made here. */
  batchSize: number;
  seed: number;
  workers: number;
  padMode: PadMode;
  /** What is done to patches, step by step. */
  augmentation: Step[];
  /** The scales of each target; [all 1] without deep supervision. */
  deepSupervision: number[][];
  /** The labels of each channel of the targets; null for labels as they are. */
  regions: number[][] | null;
  /** The labels of a cascade's previous stage, and their hash. */
  previous: PreviousStage | null;
  previousHash: string | null;
  ring: number | null;
  /** null: the default. */
  cacheBytes: number | null;
  maxMemoryBytes: number;
}

const MAX_WORKERS = 256;

/** What options name, read. */
export interface Opened {
  /** Of `previousStage`. */
  previous?: PreviousStage | null;
  /** Those of `fold` that are drawn from, as positions in the store; null for all. */
  cases?: readonly number[] | null;
}

/** @throws OptionError naming the option and what it may be */
export function resolveOptions(options: LoaderOptions, { previous = null, cases = null }: Opened = {}): ResolvedOptions {
  const known = [
    'store',
    'config',
    'patchSize',
    'batchSize',
    'seed',
    'workers',
    ...SAMPLING_OPTIONS,
    'padMode',
    'augmentation',
    'nnunetCompat',
    'deepSupervision',
    'regions',
    'previousStage',
    'ring',
    'cacheBytes',
    'maxMemoryBytes',
    'configs',
    'fold',
    'cases',
    'validation',
    'epochs',
    'state',
  ];
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new OptionError(unknown, 'there is no such option', `The options are ${known.join(', ')}`);
  const { store, padMode = 'constant', nnunetCompat = false, augmentation = 'none' } = options;
  checkStore(store);
  const { patchSize, batchSize } = sizes(options);
  if (!Array.isArray(patchSize) || ![2, 3].includes(patchSize.length) || !patchSize.every((size) => Number.isInteger(size) && size > 0)) {
    throw new OptionError(
      'patchSize',
      `${JSON.stringify(patchSize)} is not a patch size`,
      'Give three whole numbers above 0 in the order z, y, x, for example [40, 56, 40], or two (y, x) for 2D patches',
    );
  }
  if (!PAD_MODES.includes(padMode))
    throw new OptionError('padMode', `${JSON.stringify(padMode)} is not a padding`, `Choose one of ${PAD_MODES.join(', ')}`);
  if (typeof nnunetCompat !== 'boolean')
    throw new OptionError('nnunetCompat', `${JSON.stringify(nnunetCompat)} is neither true nor false`, 'Set it to true or false');
  const patch = patchOf(patchSize);
  const maskedChannels = masked(store);
  const previousLabels = previous ? store.index.labels.values.filter((label) => label > 0) : [];
  const batch = wholeNumber('batchSize', batchSize, 1, 2 ** 20);
  return {
    store,
    patchSize: [...patchSize],
    patch,
    batchSize: batch,
    ...resolveSampling(options, store, patch, batch, cases),
    seed: wholeNumber('seed', options.seed ?? 0, 0, Number.MAX_SAFE_INTEGER),
    workers: wholeNumber('workers', options.workers ?? Math.min(availableParallelism(), MAX_WORKERS), 1, MAX_WORKERS),
    padMode,
    augmentation: withPrevious(
      resolveSteps(augmentation, { patchSize, maskedChannels, previousLabels, nnunetCompat }),
      previous && previousLabels,
    ),
    deepSupervision: targetScales(options, patchSize),
    regions: regionLabels(options),
    previous,
    previousHash: previous?.hash ?? null,
    ring: options.ring === undefined ? null : wholeNumber('ring', options.ring, 1, 2 ** 16),
    cacheBytes: options.cacheBytes === undefined ? null : wholeNumber('cacheBytes', options.cacheBytes, 0, Number.MAX_SAFE_INTEGER),
    maxMemoryBytes: wholeNumber('maxMemoryBytes', options.maxMemoryBytes ?? Math.floor(machineMemory() / 2), 1, Number.MAX_SAFE_INTEGER),
  };
}

/** @throws OptionError */
export function checkStore(store: unknown): asserts store is Store {
  if (typeof (store as Store | undefined)?.location === 'function') return;
  throw new OptionError('store', 'it is not an opened store', 'Pass `await openStore(dir)`');
}

/** What is given, and what the plans say where nothing is. @throws StoreError, PlansError */
function sizes({ store, config, patchSize, batchSize, previousStage }: LoaderOptions): { patchSize: readonly number[]; batchSize: number } {
  if (patchSize !== undefined && batchSize !== undefined && config === undefined) return { patchSize, batchSize };
  const planned = storeConfiguration(store, config);
  if (planned.previousStage !== null && previousStage === undefined)
    throw new OptionError(
      'previousStage',
      `${planned.name} goes on from ${planned.previousStage}, whose segmentations are not given`,
      'Give the folder they are in',
    );
  return { patchSize: patchSize ?? planned.patchSize, batchSize: batchSize ?? planned.batchSize };
}

/** Channels that were normalised within the nonzero region. */
function masked({ index }: Store): number[] {
  const { normalisation = [] } = (index.options ?? {}) as { normalisation?: Normalisation[] };
  return normalisation.flatMap((entry, channel) => (entry.scheme === 'zscore' && entry.masked ? [channel] : []));
}

function targetScales({ store, config, deepSupervision = false }: LoaderOptions, patchSize: readonly number[]): number[][] {
  const full = patchSize.map(() => 1);
  if (deepSupervision === false) return [full];
  if (deepSupervision !== true) {
    if (!Array.isArray(deepSupervision))
      throw new OptionError('deepSupervision', `${JSON.stringify(deepSupervision)} are no scales`, 'Give true, false or a list of scales');
    targetShapes(patchSize, deepSupervision);
    return deepSupervision.map((scale) => [...scale]);
  }
  const { network, name } = storeConfiguration(store, config);
  if (network === null || network.strides[0].length !== patchSize.length)
    throw new OptionError(
      'deepSupervision',
      `the network planned for ${name} ${network === null ? 'is none of nnU-Net' : 'has another number of axes than the patch'}`,
      'Give the scales of each target, as [[1, 1, 1], [0.5, 0.5, 0.5]]',
    );
  return scalesOf(network.strides);
}

/** The channels of region-based targets, as nnU-Net orders them. @throws OptionError */
function regionLabels({ store, augmentation = 'none', regions }: LoaderOptions): number[][] | null {
  const { classes, ignore } = store.index.labels;
  const named = classes.filter((entry) => !isAnnotated(entry));
  const has = named.some(({ labels }) => labels.length > 1);
  if (regions !== undefined && typeof regions !== 'boolean')
    throw new OptionError('regions', `${JSON.stringify(regions)} is neither true nor false`, 'Set it to true or false');
  if (!(regions ?? (has && augmentation !== 'none'))) return null;
  return [...named.map(({ labels }) => [...labels]), ...(ignore === null ? [] : [[ignore]])];
}

export function wholeNumber(name: string, value: unknown, low: number, high: number): number {
  if (Number.isInteger(value) && (value as number) >= low && (value as number) <= high) return value as number;
  throw new OptionError(
    name,
    `${JSON.stringify(value) ?? 'nothing'} is not a whole number from ${low} to ${high}`,
    `Set \`${name}\` to one`,
  );
}
