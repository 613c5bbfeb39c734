import type { Axis } from '../common/geometry.ts';
import { type Box, boxShape, intersect, type Triple } from '../common/geometry.ts';
import { AUGMENTATION_PURPOSES, Draws } from '../common/random.ts';
import { affineMatrix } from './affine.ts';
import { centred, mapping, shifted, touched } from './reading.ts';
import { unfold } from './steps.ts';
import type { CompleteStep, PatchContext, Step } from './transform.ts';
import { TRANSFORMS } from './transforms/index.ts';
import type { OneHotStep } from './transforms/labels/one-hot.ts';
import { type CompleteSpatialStep, type SpatialParameters, type SpatialStep, spatialAxes } from './transforms/spatial/spatial.ts';

/** One step as it was drawn for a sample. Steps that were not drawn leave no trace. */
export interface Operation {
  /** Its place in the pipeline. */
  step: number;
  /** Its name, such as 'gamma'. */
  transform: string;
  /** What was drawn, plain data: see the transform's file. */
  parameters: unknown;
}

/** A pipeline and the patches it is for. Plain data: workers get a copy. */
export interface Pipeline {
  steps: readonly CompleteStep[];
  /** Its channels are those of the image. */
  patch: PatchContext;
  /** What nnU-Net would read for a patch, so that rotating and scaling find voxels beyond it: `patch.shape` or larger. */
  crop: Triple;
  /** Read the crop as a whole wherever anything is done to it: what cannot be made from parts of it. See `needsCrop`. */
  wholeCrop: boolean;
}

export const isSpatial = (step: Step): step is SpatialStep => step.transform === 'spatial';

/** The labels of a previous stage that `oneHot` makes channels of, behind those of the image, and which step that is; -1: none. */
export function cascadeOf(steps: readonly Step[]): { at: number; labels: readonly number[] } {
  const at = steps.findIndex(({ transform }) => transform === 'oneHot');
  return { at, labels: at < 0 ? [] : (steps[at] as OneHotStep).labels };
}

/** What a step's parameters may depend on: before the spatial step patches are whole crops, from `oneHot` on they have its channels. */
export function contextOf({ steps, patch, crop }: Pipeline, step: number): PatchContext {
  const { at, labels } = cascadeOf(steps);
  const context = step < steps.findIndex(isSpatial) ? { ...patch, shape: crop } : patch;
  return at >= 0 && step >= at ? { ...context, channels: patch.channels + labels.length } : context;
}

/** What planning asks of a pipeline for every sample. */
interface Drawing {
  /** Of each step: what its numbers are for, and what its parameters may depend on. */
  steps: { purpose: number; context: PatchContext }[];
  /** See `earlyMirror`. */
  mirror: number;
}

/** Small patches take a twentieth of a millisecond each: what is the same for all of them is found once. */
const drawings = new WeakMap<Pipeline, Drawing>();

function drawingOf(pipeline: Pipeline): Drawing {
  const found = drawings.get(pipeline);
  if (found) return found;
  const { steps } = pipeline;
  const drawing = {
    steps: steps.map(({ transform }, step) => {
      // Its own numbers, wherever it stands: leaving out a step changes nothing about the others.
      const before = steps.slice(0, step).filter((other) => other.transform === transform).length;
      return { purpose: AUGMENTATION_PURPOSES * (1 + before) + TRANSFORMS[transform].purpose, context: contextOf(pipeline, step) };
    }),
    mirror: earlyMirror(steps),
  };
  drawings.set(pipeline, drawing);
  return drawing;
}

/** Draws every step for one sample: pure, from the sample's own random numbers. */
export function drawOperations(pipeline: Pipeline, seed: number, sample: number): Operation[] {
  const operations: Operation[] = [];
  for (const [step, { purpose, context }] of drawingOf(pipeline).steps.entries()) {
    const options = pipeline.steps[step];
    const draws = new Draws(seed, sample, purpose);
    if (draws.uniform() >= options.probability) continue;
    const parameters = TRANSFORMS[options.transform].draw(options, context, draws);
    if (parameters !== null) operations.push({ step, transform: options.transform, parameters });
  }
  return operations;
}

/** The spatial parameters among the operations, or null. */
export function spatialOf(operations: readonly Operation[]): SpatialParameters | null {
  return (operations.find(({ transform }) => transform === 'spatial')?.parameters as SpatialParameters | undefined) ?? null;
}

/** Which step mirrors, if it can do so while the patch is read; else -1. */
export function earlyMirror(steps: readonly CompleteStep[]): number {
  const at = steps.findIndex(({ transform }) => transform === 'mirror');
  const spatial = steps.findIndex(isSpatial);
  if (at < spatial || steps.some((step) => isSpatial(step) && step.nnunetCompat)) return -1;
  const between = unfold(steps.slice(spatial + 1, Math.max(at, 0)));
  return between.every(({ transform }) => TRANSFORMS[transform].bearsMirroring) ? at : -1;
}

/** The axes that are mirrored while a patch is read. */
export function mirroredAxes(operations: readonly Operation[], mirrorStep: number): readonly Axis[] {
  const found = operations.find(({ step }) => step === mirrorStep);
  return (found?.parameters as { axes: Axis[] } | undefined)?.axes ?? [];
}

/**
 * Whether patches are to be made from whole crops: where steps come before the spatial one, where its sampling is one that the kernels
 * do not have, or where the crop's padding depends on all of it.
 */
export function needsCrop(steps: readonly CompleteStep[], constantPadding: boolean): boolean {
  const at = steps.findIndex(isSpatial);
  if (at < 0) return false;
  const { elasticProbability, image, padding, labelPadding, nnunetCompat } = steps[at] as CompleteSpatialStep;
  const kernels = elasticProbability === 0 && image === 'linear' && padding === 'zeros' && labelPadding === 'constant' && !nnunetCompat;
  return at > 0 || !constantPadding || !kernels;
}

/**
 * The voxels of the volume that making the patch touches: the final patch where nothing is interpolated, what the transform reaches
 * where it is, and never anything beyond the crop.
 */
export function readingBox(pipeline: Pipeline, cropBox: Box, operations: readonly Operation[]): Box {
  const { steps, patch, crop, wholeCrop } = pipeline;
  const spatial = spatialOf(operations);
  if (wholeCrop && (spatial || !isSpatial(steps[0]))) return cropBox;
  if (!spatial) return shifted(centred(crop, patch.shape), cropBox.lower);
  const step = steps.find(isSpatial) as CompleteSpatialStep;
  const matrix = affineMatrix(spatial.angles, spatial.scales, spatialAxes(step, patch.axes));
  const mirrored = mirroredAxes(operations, drawingOf(pipeline).mirror);
  const reached = touched(mapping(matrix, crop, patch.shape, mirrored), patch.shape);
  return shifted(intersect(reached, boxShape(cropBox)) ?? centred(crop, patch.shape), cropBox.lower);
}
