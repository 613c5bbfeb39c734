// What is public of a training: these types name nothing of WebGPU, which users of the loader need not have.

import type { BatchStream } from '../loader/batch.ts';
import type { LoaderState } from '../loader/options/state.ts';
import type { Network } from '../plans/network.ts';
import type { Precision } from './gpu/precision.ts';
import { RECIPE } from './optimiser.ts';
import type { Outputs } from './outputs.ts';

/** Where batches come from: a loader, in this thread or another. */
export interface BatchSource {
  readonly training: Pick<BatchStream, 'next'>;
  /** Asked for only where there are validation steps. */
  readonly validation: Pick<BatchStream, 'next'>;
  state(): LoaderState | Promise<LoaderState>;
}

/** What a training is: plain JSON, kept in checkpoints. */
export interface TrainingOptions extends Outputs {
  /** Of the plans. */
  configuration: string;
  network: Network;
  patchSize: number[];
  batch: number;
  /** Of the images, and in a cascade one a foreground label of the previous stage. */
  channels: number;
  ignore: number | null;
  batchDice: boolean;
  /** Scales that batches have targets of. As in nnU-Net, the coarsest has weight 0 where there are several. */
  scales: number;
  /** Null: 'mixed' where the adapter has matrix units, else 'float32'. A checkpoint says which it was. */
  precision: Precision | null;
  epochs: number;
  /** Training and validation steps an epoch. nnU-Net: 250 and 50. */
  iterations: number;
  validationIterations: number;
  learningRate: number;
  /** Names the initial weights. */
  seed: number;
}

/** nnU-Net's `nnUNetTrainer`. */
export const DEFAULTS = {
  epochs: 1000,
  iterations: 250,
  validationIterations: 50,
  learningRate: RECIPE.learningRate,
  precision: null,
  seed: 0,
} as const;

/** What came of the autotune at the start of a training. */
export interface TuneReport {
  /** Different products of the network: known from before, measured now, and those that there was no time for. */
  known: number;
  measured: number;
  left: number;
  seconds: number;
}

/** One epoch, for people and for `checkpoint.json`. */
export interface EpochReport {
  /** Counted from 0. */
  epoch: number;
  learningRate: number;
  /** Means over the epoch; null without validation. */
  loss: number;
  validationLoss: number | null;
  /** Of each foreground class or region, over all voxels of the validation patches; null for a class that is nowhere. */
  pseudoDice: (number | null)[] | null;
  /** The moving mean of their mean, by nnU-Net's rule: 0.9 of that of the epoch before, 0.1 of this one's. null before any. */
  movingDice: number | null;
  /** Whether that was never as high: the network after this epoch is kept beside the last one. */
  best: boolean;
  /**
   * Of every training step, and the norm of its gradient before clipping. Infinite or NaN (null in JSON) for steps that were left out
   * as their float16 gradients overflowed: a few at the beginning and every 2000 steps, see `loss-scale.ts`.
   */
  losses: number[];
  gradientNorms: number[];
  patchesPerSecond: number;
  /** From one training step to the next, in milliseconds. */
  stepMs: number;
  /** The part of the training time in which the GPU had nothing to do because no batch was there. */
  waitFraction: number;
  /** Who held up whom. */
  boundBy: 'GPU' | 'loader';
}
