import type { PipelineStep } from '../augmentation/transforms/index.ts';
import type { Box, Triple } from '../common/geometry.ts';
import type { LoaderMetrics } from '../loader/metrics.ts';
import type { Colour } from '../pictures/palette.ts';
import type { SlotPlan } from '../sampling/slot-plan.ts';

/** What the server tells the page, as JSON: types alone, so that both are compiled against the same. */

/** What the page may change about a stream; everything else is as the command line says. */
export interface Settings {
  seed?: number;
  fold?: number | 'all';
  config?: string;
  oversample?: number;
  augmentation?: string | readonly PipelineStep[];
}

/** One outline's meaning. */
export interface OutlineFacts {
  name: string;
  /** Of the labels in pictures: of several masks, the number of the mask from 1. */
  label: number;
  colour: Colour;
}

/** What stays the same while the page is open. */
export interface AboutFacts {
  version: string;
  name: string;
  dir: string;
  cases: number;
  channels: string[];
  outlines: OutlineFacts[];
  /** Whether its classes are regions, which overlap. */
  regions: boolean;
  configurations: { name: string; patchSize: number[]; batchSize: number }[];
  folds: number;
  presets: readonly string[];
  /** What the command line says, for the settings of the page. */
  settings: Required<Pick<Settings, 'seed' | 'fold'>> & Settings;
  /** Whether the command line decides it, by `exposure` or `configs`. */
  fixed: { oversample: boolean; config: boolean };
}

/** How the command line asks for the same stream. */
export interface CommandFacts {
  /** Each with its value, ready for a shell; but for the augmentation, which a file has. */
  flags: string[];
}

/** Part of a patch or of a case that a slice shows; its arrays are `NAME.image` and `NAME.labels`, row by row. */
export interface PlaneFacts {
  name: string;
  axis: number;
  position: number;
  rows: number;
  columns: number;
}

/** One step as it was drawn, in words. */
export interface StepWords {
  title: string;
  text: string;
}

export interface CardFacts {
  sample: number;
  config: string;
  caseNumber: number;
  id: string;
  forced: boolean;
  className: string | null;
  /** Of the case, in millimetres. */
  spacing: Triple;
  crop: Box;
  words: StepWords[];
  /** xxHash64 of its voxels and its target. */
  hash: string;
  /** Outlines that it shows, and the part of its voxels that each has. */
  holds: { label: number; share: number }[];
  planes: PlaneFacts[];
  /** Grey values of black and white. */
  window: readonly [number, number];
}

export interface BatchFacts {
  batch: number;
  config: string;
  cards: CardFacts[];
  /** Whether workers made it as it came; otherwise it was replayed. */
  live: boolean;
}

/** A patch before anything is done, or after one more step. */
export interface StageFacts extends StepWords {
  planes: PlaneFacts[];
  histogram: number[];
  hash: string;
}

export interface SampleFacts {
  plan: SlotPlan;
  id: string;
  config: string;
  className: string | null;
  shape: Triple;
  caseShape: Triple;
  spacing: Triple;
  /** Where the patch's corners lie in the case, in voxels, without the deformation: bit i of a corner's number is its end along axis i. */
  corners: Triple[];
  elastic: boolean;
  /** All that is done, in order. */
  words: StepWords[];
  /** The slices shown, one an axis. */
  at: Triple;
  window: readonly [number, number];
  /** Ends of the histograms. */
  range: readonly [number, number];
  /** The first is the patch as it is stored, the last as it is in its batch. */
  stages: StageFacts[];
}

export interface VolumeFacts {
  id: string;
  /** Of the arrays: every `step`-th voxel along each axis. */
  shape: Triple;
  step: number;
  spacing: Triple;
  window: readonly [number, number];
}

export interface CaseFacts {
  caseNumber: number;
  id: string;
  shape: Triple;
  spacing: Triple;
  /** Voxels of each class, by its name; null where the store does not say. */
  voxels: Record<string, number | null>;
  bytes: number;
}

export interface PlannedFacts {
  count: number;
  patch: Triple;
  classes: string[];
  /** By case number. */
  drawn: number[];
  /** Parts of the planned patches, one a class. */
  holding: number[];
  forcedOnto: number[];
  target: (number | null)[];
  /** The live stream so far. */
  realised: { patches: number; holding: number[] };
}

/** An option of a step, for a control. */
export interface OptionFacts {
  name: string;
  kind: 'range' | 'probability' | 'number' | 'flag' | 'choice' | 'axes' | 'steps' | 'other';
  from: number | null;
  to: number | null;
  whole: boolean;
  choices: readonly string[];
  help: string;
}

export interface StepsFacts {
  /** As a file has them, with all options of each. */
  steps: PipelineStep[];
  /** The options of each transform that occurs. */
  options: Record<string, OptionFacts[]>;
}

export interface SpeedFacts {
  /** Seconds since the server was started. */
  time: number;
  metrics: LoaderMetrics;
  memory: { name: string; bytes: number; meaning: string }[];
  residentBytes: number;
  cpuSeconds: number;
  cores: number;
  batch: number;
}

export interface Failure {
  where: string;
  what: string;
  action: string;
}
