import { readNumber } from '../common/flag-readers.ts';
import { type Triple, transpose, triple, voxels } from '../common/geometry.ts';
import { checkOptions, type Given, type OptionTable } from '../common/options.ts';
import { roundHalfEven } from '../common/round.ts';
import { oneOf, positiveNumber } from '../common/schemas.ts';
import { type Plans, type PlansConfiguration, writeConfiguration } from '../plans/plans.ts';
import type { DatasetDescription } from '../raw/dataset-json.ts';
import { foregroundOf } from '../raw/labels.ts';
import { type PlannedConfiguration, planConfiguration } from './configuration.ts';
import type { DatasetFingerprint } from './fingerprint.ts';
import { estimateMemory, type MemoryEstimate } from './memory.ts';
import { refuseEmptyPatch } from './patch-floor.ts';
import { PLANNER, PLANNERS, type PlannerName } from './planners.ts';
import { median } from './statistics.ts';
import { resampledShape, targetSpacing, transposition } from './target-spacing.ts';

export const PLAN_OPTIONS = {
  /** Default 'default', nnU-Net's ExperimentPlanner. */
  planner: {
    schema: oneOf(PLANNERS),
    default: 'default',
    flag: '--planner NAME',
    help: `one of nnU-Net's planners: ${PLANNERS.join(', ')}`,
  },
  /** GPU memory to plan for, in GB of the planner's own scale. Default: its reference, 8 (a card of 10 GB), 24 or 40. */
  gpuMemoryGb: {
    schema: positiveNumber(),
    otherwise: "the planner's own target, 8 (a card of 10 GB), 24 or 40",
    flag: '--gpu-memory-gb N',
    read: readNumber,
    help: 'plan for another GPU',
  },
} as const satisfies OptionTable;

/** What to plan for. */
export interface PlanOptions extends Given<typeof PLAN_OPTIONS> {}

/** Plans, and how each of their configurations came about. */
export interface ExperimentPlan {
  /** In nnU-Net's schema. */
  plans: Plans;
  /** What was planned for. */
  gpuMemoryGb: number;
  /** In the order in which they were planned. */
  decisions: Decision[];
}

/** One configuration and how it came about. Axes are the plans': the coarsest first; 2D leaves it out. */
export interface Decision extends PlannedConfiguration {
  name: '2d' | '3d_fullres' | '3d_lowres';
  /** Millimetres. */
  spacing: number[];
  /** After resampling. */
  median: number[];
  /** GPU memory of one training step. */
  memory: MemoryEstimate;
}

/** Below this part of the median volume in a full-resolution patch, a low-resolution configuration is planned … */
const LOWRES_BELOW = 0.25;
/** … with spacings grown in steps of this factor … */
const LOWRES_STEP = 1.03;
/** … first along the axes this much finer than the coarsest, then along all … */
const LOWRES_SIMILAR = 2;
/** … and kept if it has this many times fewer voxels. */
const LOWRES_GAIN = 2;

/**
 * Chooses spacing, patch size, batch size and network of every configuration as nnU-Net does (`plan_experiment`). Pure.
 * @throws OptionError for an unknown planner or a memory that no patch fits into, DatasetError for volumes that no patch has a voxel of
 */
export function planExperiment(fingerprint: DatasetFingerprint, dataset: DatasetDescription, options: PlanOptions = {}): ExperimentPlan {
  const asked = checkOptions(PLAN_OPTIONS, options);
  const planner = PLANNER[asked.planner];
  const { gpuMemoryGb = planner.referenceGb } = asked;
  const { spacings, shapes_after_crop: shapes } = fingerprint;
  const target = targetSpacing({ spacings, shapes });
  const { forward, backward } = transposition(target);
  const spacing = transpose(target, forward);
  const resampled = shapes.map((shape, i) => resampledShape(shape, spacings[i], target));
  const medianShape = transpose(medians(resampled), forward);
  const axes = forward.map((axis) => 'zyx'[axis]);
  const plan = (
    configuration: Decision['name'],
    spacing: readonly number[],
    median: readonly number[],
    datasetVoxels: number,
  ): PlannedConfiguration => {
    const planned = planConfiguration({ spacing, median, datasetVoxels, heads: dataset.labelEntries, planner, gpuMemoryGb });
    refuseEmptyPatch(planned, { folder: dataset.folder, configuration, axes: axes.slice(-spacing.length), spacing, median });
    return planned;
  };
  const describe = (
    name: Decision['name'],
    planned: PlannedConfiguration,
    spacing: readonly number[],
    median: readonly number[],
  ): Decision => ({
    ...planned,
    name,
    spacing: [...spacing],
    median: [...median],
    memory: estimateMemory({
      network: planned.network,
      patch: planned.patch,
      batch: planned.batch,
      inputChannels: dataset.channels.length,
      outputChannels: outputChannels(dataset),
    }),
  });

  const datasetVoxels = voxels(medianShape) * dataset.numTraining;
  const decisions = [
    describe('2d', plan('2d', spacing.slice(1), medianShape.slice(1), datasetVoxels), spacing.slice(1), medianShape.slice(1)),
  ];
  // A data set of single slices has no 3D configuration.
  if (medianShape[0] !== 1) {
    const fullres = plan('3d_fullres', spacing, medianShape, datasetVoxels);
    const lowres = planLowres(fullres, spacing, medianShape, (at, median, size) =>
      plan('3d_lowres', at, median, size * dataset.numTraining),
    );
    if (lowres !== null) decisions.push(describe('3d_lowres', lowres.planned, lowres.spacing, lowres.median));
    decisions.push(describe('3d_fullres', fullres, spacing, medianShape));
  }
  return { plans: write(decisions, fingerprint, dataset, asked.planner, forward, backward), gpuMemoryGb, decisions };
}

/** Coarsens the spacing until a patch covers a quarter of the median volume (docs/nnunet.md#low-resolution-and-cascade). */
function planLowres(
  fullres: PlannedConfiguration,
  fullresSpacing: Triple,
  fullresMedian: Triple,
  plan: (spacing: Triple, median: Triple, voxels: number) => PlannedConfiguration,
): { planned: PlannedConfiguration; spacing: Triple; median: Triple } | null {
  let found: { planned: PlannedConfiguration; spacing: Triple; median: Triple } | null = null;
  const spacing: Triple = [...fullresSpacing];
  let size = voxels(fullresMedian);
  let patch = voxels(fullres.patch);
  while (patch / size < LOWRES_BELOW) {
    const coarsest = Math.max(...spacing);
    const finer = spacing.map((length) => coarsest / length > LOWRES_SIMILAR);
    const some = finer.includes(true);
    for (const axis of [0, 1, 2]) if (!some || finer[axis]) spacing[axis] *= LOWRES_STEP;
    const exact = triple((axis) => (fullresSpacing[axis] / spacing[axis]) * fullresMedian[axis]);
    const median = triple((axis) => roundHalfEven(exact[axis]));
    size = voxels(exact);
    const planned = plan([...spacing], median, size);
    patch = voxels(planned.patch);
    found = { planned, spacing: [...spacing], median };
  }
  return voxels(fullresMedian) / size < LOWRES_GAIN ? null : found;
}

/** Of the trained network: regions, or labels with background. */
function outputChannels({ labels }: DatasetDescription): number {
  const regions = foregroundOf(labels.classes);
  return regions.some(({ labels }) => labels.length > 1) ? regions.length : labels.values.length;
}

function medians(shapes: readonly Triple[]): Triple {
  return triple((axis) => median(shapes.map((shape) => shape[axis])));
}

function write(
  decisions: readonly Decision[],
  fingerprint: DatasetFingerprint,
  dataset: DatasetDescription,
  plannerName: PlannerName,
  forward: Triple,
  backward: Triple,
): Plans {
  const { className, plansName } = PLANNER[plannerName];
  const hasLowres = decisions.some(({ name }) => name === '3d_lowres');
  const configuration = (decision: Decision): PlansConfiguration => ({
    // Residual planners use the data of the default planner where the grid is the same.
    data_identifier: `${decision.name === '3d_lowres' ? plansName : PLANNER.default.plansName}_${decision.name}`,
    ...writeConfiguration(decision, dataset.channels, fingerprint.median_relative_size_after_cropping),
    batch_dice: decision.name === '2d' || (decision.name === '3d_fullres' && hasLowres),
    ...(decision.name === '3d_lowres' ? { next_stage: '3d_cascade_fullres' } : {}),
  });
  const configurations: Plans['configurations'] = Object.fromEntries(decisions.map((decision) => [decision.name, configuration(decision)]));
  if (hasLowres) configurations['3d_cascade_fullres'] = { inherits_from: '3d_fullres', previous_stage: '3d_lowres' };
  return {
    dataset_name: dataset.folder,
    plans_name: plansName,
    original_median_spacing_after_transp: transpose(medians(fingerprint.spacings), forward),
    original_median_shape_after_transp: transpose(medians(fingerprint.shapes_after_crop), forward).map(roundHalfEven),
    image_reader_writer: dataset.reader,
    transpose_forward: forward,
    transpose_backward: backward,
    configurations,
    experiment_planner_used: className,
    label_manager: 'LabelManager',
    foreground_intensity_properties_per_channel: fingerprint.foreground_intensity_properties_per_channel,
  };
}
