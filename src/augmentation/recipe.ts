import type { Axis, Triple } from '../common/geometry.ts';
import { type LargestBlock, largestBlock } from '../formats/b2nd/head.ts';
import type { PadMode } from '../reading/pad.ts';
import type { TargetType } from '../shared-memory/target-array.ts';
import { cropOf } from './crop-size.ts';
import type { PatchRecipe } from './patch-maker.ts';
import { needsCrop } from './pipeline.ts';
import { planScratch } from './scratch.ts';
import { completeSteps } from './steps.ts';
import { targetShapes } from './targets.ts';
import type { Step } from './transform.ts';

/** What decides how patches are made; a loader's resolved options are one. */
export interface RecipeOptions {
  store: {
    index: { channels: readonly string[]; labels?: { ignore: number | null }; largestBlock?: LargestBlock };
    cases: readonly { shape: Triple }[];
  };
  patchSize: readonly number[];
  patch: Triple;
  padMode: PadMode;
  augmentation: readonly Step[];
  deepSupervision: readonly (readonly number[])[];
  regions: number[][] | null;
  /** In a cascade: its files. */
  previous?: { largestBlock: LargestBlock | null } | null;
  /** What targets are made of. Default: int16. */
  targetType?: TargetType;
  /** The labels of each class whose presence in patches is counted. Default: none. */
  counted?: readonly (readonly number[])[];
}

/** Sizes everything that workers need to make patches. */
export function recipeOf({
  store,
  patchSize,
  patch,
  padMode,
  augmentation,
  deepSupervision,
  regions,
  previous = null,
  targetType = 'int16',
  counted = [],
}: RecipeOptions): PatchRecipe {
  const channels = store.index.channels.length;
  const axes: Axis[] = patchSize.length === 2 ? [1, 2] : [0, 1, 2];
  const steps = completeSteps(augmentation);
  const pipeline = {
    steps,
    patch: { channels, shape: patch, axes },
    crop: cropOf(patchSize, steps),
    wholeCrop: needsCrop(steps, padMode === 'constant'),
  };
  const targets = { shapes: targetShapes(patchSize, deepSupervision), regions, type: targetType };
  const shapes = store.cases.map(({ shape }) => shape);
  const blocks = [store.index.largestBlock, previous?.largestBlock].flatMap((block) => block ?? []);
  const volumes = { channels, shapes, largestBlock: largestBlock(blocks) };
  return {
    pipeline,
    targets,
    scratch: planScratch(pipeline, targets, volumes),
    padMode,
    counted,
    ignore: store.index.labels?.ignore ?? null,
  };
}
