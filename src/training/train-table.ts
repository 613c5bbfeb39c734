import { readNumber, readSwitch } from '../common/flag-readers.ts';
import type { Given, OptionTable } from '../common/options.ts';
import { callback, flag, oneOf, positiveNumber, text, wholeNumber } from '../common/schemas.ts';
import { LOADER_OPTIONS } from '../loader/options/table.ts';
import { PRECISIONS, type Precision } from './gpu/precision.ts';
import { DEFAULTS, type EpochReport, type TuneReport } from './training-options.ts';

/** What is about to be trained, and on what. */
export interface TrainStart {
  /** The GPU's name; `software` if it is the CPU in truth. */
  gpu: string;
  software: boolean;
  precision: Precision;
  /** GPU memory that is taken. */
  bytes: number;
  /** What came of the autotune; null where there was none. */
  tuning: TuneReport | null;
  /** Of the plans. */
  configuration: string;
  patchSize: number[];
  batchSize: number;
  /** Numbers of cases. */
  training: number;
  validation: number;
  /** The epoch that comes first, and that before which it ends. */
  epoch: number;
  epochs: number;
}

const MOST = 2 ** 31;

/** What a training may be asked for, besides what feeds it. */
export const TRAIN_OPTIONS = {
  /** The folder for checkpoints. */
  out: { schema: text('the path of a folder'), required: true, flag: '--out DIR', help: 'the folder for checkpoints' },
  /** How many epochs there will have been at the end, those of a run that is continued included. Default 1000, or as before. */
  epochs: {
    schema: wholeNumber(1, MOST),
    otherwise: `${DEFAULTS.epochs}, or as before`,
    flag: '--epochs N',
    read: readNumber,
    help: 'epochs to train',
  },
  /** Training steps an epoch. Default 250, or as before. */
  iterations: {
    schema: wholeNumber(1, MOST),
    otherwise: `${DEFAULTS.iterations}, or as before`,
    flag: '--iterations N',
    read: readNumber,
    help: 'training steps an epoch',
  },
  /** Validation steps an epoch; 0 leaves validation out. Default 50, or as before. */
  validationIterations: {
    schema: wholeNumber(0, MOST),
    otherwise: `${DEFAULTS.validationIterations}, or as before`,
    flag: '--val-iterations N',
    read: readNumber,
    help: 'validation steps an epoch; 0 leaves validation out',
  },
  /** Of the first epoch. Default 0.01, or as before. */
  learningRate: {
    schema: positiveNumber(),
    otherwise: `${DEFAULTS.learningRate}, or as before`,
    flag: '--learning-rate F',
    read: readNumber,
    help: 'of the first epoch',
  },
  /**
   * 'mixed': feature maps and gradients as float16, half the memory, and products on matrix units; sums and parameters stay float32.
   * Default 'mixed' where the GPU has matrix units, else 'float32'; or as before.
   */
  precision: {
    schema: oneOf(PRECISIONS),
    otherwise: 'mixed where the GPU has matrix units, else float32; or as before',
    flag: '--precision NAME',
    help: 'float32, or mixed: float16 on matrix units, with sums and parameters in float32',
  },
  /**
   * Measure once how each product of the network is made fastest on this GPU, for 20 seconds at most, and keep that in the user's cache.
   * It changes the speed, and no number. Default: unless the GPU is a CPU in truth.
   */
  autotune: {
    schema: flag(),
    otherwise: 'on, unless the GPU is a CPU in truth',
    flag: '--autotune on|off',
    read: readSwitch,
    typed: 'on or off',
    help: "measure first how products are made fastest here, unless the user's cache knows: it changes the speed, and no number",
  },
  /** Epochs between two checkpoints at most; the last epoch always has one, and so has the best so far. Default 1. */
  saveEvery: {
    schema: wholeNumber(1, MOST),
    default: 1,
    flag: '--save-every N',
    read: readNumber,
    help: 'epochs between two checkpoints at most: the last epoch has one, and so has the best so far',
  },
  /** Go on from the checkpoint in `out`. Default false: there must be none. */
  continue: { schema: flag(), default: false, flag: '--continue', help: 'go on from the checkpoint in --out' },
  /** Told once, before the first step. */
  onStart: { schema: callback<(start: TrainStart) => void>(), help: 'told once, before the first step' },
  /** Told a few times a second. */
  onProgress: {
    schema: callback<(progress: { epoch: number; step: number; steps: number }) => void>(),
    help: 'told a few times a second',
  },
  /** Told after each epoch, its checkpoint written. What it throws ends the training. */
  onEpoch: {
    schema: callback<(report: EpochReport) => void | Promise<void>>(),
    help: 'told after each epoch, its checkpoint written; what it throws ends the training',
  },
} as const satisfies OptionTable;

const { configs: _c, validation: _v, deepSupervision: _d, epochs: _e, regions: _r, targetType: _t, ...one } = LOADER_OPTIONS;
// It trains on one GPU: nothing is averaged with other ranks.
const { rank: _k, worldSize: _w, ranks: _s, ...feeding } = one;

/**
 * What a loader that feeds a training may be asked for. It takes one configuration, validates after every epoch, and has labels for
 * targets.
 */
export const FEED_OPTIONS = {
  ...feeding,
  augmentation: { ...feeding.augmentation, default: 'default' },
  fold: { ...feeding.fold, otherwise: '0' },
} as const satisfies OptionTable;

/** Options of `train`: its own, and those of the loader that feeds it, whose `augmentation` is 'default' here and `fold` 0. */
export interface TrainOptions extends Given<typeof FEED_OPTIONS>, Given<typeof TRAIN_OPTIONS> {}

/** What came of a training. */
export interface TrainReport {
  /** The folder with the checkpoint. */
  dir: string;
  gpu: string;
  software: boolean;
  /** Every epoch, those before a continuation included. */
  epochs: EpochReport[];
}
