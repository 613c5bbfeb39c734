import { OptionError } from '../common/errors.ts';
import type { LoaderOptions } from '../loader/options/options.ts';
import type { Checkpoint } from './checkpoint.ts';
import { DEFAULTS, type EpochReport, type TrainingOptions } from './training-options.ts';

/** What a training decides by itself: it takes one configuration, and validates after every epoch. */
const DECIDED = ['store', 'configs', 'validation', 'deepSupervision', 'state'] as const;

/** Options of `train`: its own, and those of the loader that feeds it, whose `augmentation` is 'default' here and `fold` 0. */
export interface TrainOptions extends Omit<LoaderOptions, (typeof DECIDED)[number] | 'epochs'> {
  /** The folder for checkpoints. */
  out: string;
  /** How many there will have been at the end, those of a run that is continued included. Default 1000. */
  epochs?: number;
  /** Training steps an epoch. Default 250. */
  iterations?: number;
  /** Validation steps an epoch; 0 leaves validation out. Default 50. */
  validationIterations?: number;
  /** Of the first epoch. Default 0.01. */
  learningRate?: number;
  /** Keep feature maps as float16: half the memory; sums stay float32. Default false. */
  half?: boolean;
  /** Epochs between two checkpoints; the last epoch always has one. Default 1. */
  saveEvery?: number;
  /** Go on from the checkpoint in `out`. Default false: there must be none. */
  continue?: boolean;
  /** Told once, before the first step. */
  onStart?: (start: TrainStart) => void;
  /** Told a few times a second. */
  onProgress?: (progress: { epoch: number; step: number; steps: number }) => void;
  /** Told after each epoch, its checkpoint written. What it throws ends the training. */
  onEpoch?: (report: EpochReport) => void | Promise<void>;
}

/** What is about to be trained, and on what. */
export interface TrainStart {
  /** The GPU's name; `software` if it is the CPU in truth. */
  gpu: string;
  software: boolean;
  /** GPU memory that is taken. */
  bytes: number;
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

/** What came of it. */
export interface TrainReport {
  /** The folder with the checkpoint. */
  dir: string;
  gpu: string;
  software: boolean;
  /** Every epoch, those before a continuation included. */
  epochs: EpochReport[];
}

/** The part of the options that a checkpoint keeps, which a continued run takes from there. */
export type Recipe = Pick<TrainingOptions, 'iterations' | 'validationIterations' | 'learningRate' | 'storage' | 'epochs'>;

/** The training's own options, checked. @throws OptionError */
export function recipeOf(options: TrainOptions, before: Checkpoint | null): Recipe {
  for (const name of DECIDED)
    if ((options as Partial<LoaderOptions & { state: unknown }>)[name] !== undefined)
      throw new OptionError(name, 'it is not for training, which takes one configuration and validates by itself', 'Leave it out');
  if (typeof options.out !== 'string' || options.out === '')
    throw new OptionError('out', `${JSON.stringify(options.out) ?? 'nothing'} is no folder`, 'Give the folder for checkpoints');
  whole('saveEvery', options.saveEvery, 1);
  const given: Partial<Recipe> = {
    ...whole('iterations', options.iterations, 1),
    ...whole('validationIterations', options.validationIterations, 0),
    ...rate(options.learningRate),
    ...(options.half !== undefined && { storage: options.half ? 'f16' : 'f32' }),
  };
  const saved = before?.options;
  for (const name of Object.keys(given) as (keyof Recipe)[])
    if (saved !== undefined && saved[name] !== given[name])
      throw new OptionError(
        name === 'storage' ? 'half' : name,
        `the checkpoint was trained with ${saved[name]}, not ${given[name]}`,
        'Leave it out when you continue, or begin in another folder',
      );
  return { ...DEFAULTS, ...saved, ...given, ...whole('epochs', options.epochs, 1) };
}

function whole<K extends string>(name: K, value: unknown, low: number): { [key in K]?: number } {
  if (value === undefined) return {};
  if (Number.isInteger(value) && (value as number) >= low) return { [name]: value } as { [key in K]?: number };
  throw new OptionError(name, `${JSON.stringify(value)} is not a whole number from ${low}`, `Set \`${name}\` to one`);
}

function rate(value: unknown): { learningRate?: number } {
  if (value === undefined) return {};
  if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return { learningRate: value };
  throw new OptionError('learningRate', `${JSON.stringify(value)} is not a number above 0`, 'Set it to one');
}
