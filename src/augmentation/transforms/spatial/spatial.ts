import type { Axis } from '../../../common/geometry.ts';
import type { OptionTable } from '../../../common/options.ts';
import { flag, oneOf } from '../../../common/schemas.ts';
import { drawElastic, type ElasticParameters } from '../../elastic.ts';
import { drawRange } from '../../ranges.ts';
import { amount, probability, range } from '../../step-options.ts';
import type { CompleteStep, StepOf, Transform } from '../../transform.ts';

/** Stronger scaling than this makes no sense, and its boxes no longer fit into the scratch. */
const SMALLEST_SCALE = 0.05;
const LARGEST_SCALE = 8;

const OPTIONS = {
  /** How often a patch is rotated. Default 0.2. */
  rotationProbability: probability(0.2, 'how often a patch is rotated'),
  /** Radians, one angle drawn for each axis; a 2D patch is turned by the last. Default: none, presets choose by the patch's shape. */
  rotation: range(0, {
    from: -2 * Math.PI,
    to: 2 * Math.PI,
    help: 'radians, one angle drawn for each axis; a 2D patch is turned by the last',
  }),
  /** How often each angle is kept when a patch is rotated. Default 1. */
  axisProbability: probability(1, 'how often each angle is kept when a patch is rotated'),
  /** How often a patch is scaled. Default 0.2. */
  scalingProbability: probability(0.2, 'how often a patch is scaled'),
  /** Above 1 objects become smaller. Default [0.7, 1.4]. */
  scaling: range([0.7, 1.4], { from: SMALLEST_SCALE, to: LARGEST_SCALE, help: 'above 1 objects become smaller' }),
  /** Whether each axis is scaled by a factor of its own. Default false. */
  scalingPerAxis: { schema: flag(), default: false, help: 'whether each axis is scaled by a factor of its own' },
  /** How often a patch is deformed. Default 0. */
  elasticProbability: probability(0, 'how often a patch is deformed'),
  /** Width of the deformation's smoothing as a part of the patch. Default [0, 0.2]. */
  elasticScale: range([0, 0.2], { from: 0, to: 1, help: "width of the deformation's smoothing as a part of the patch" }),
  /** Largest displacement in voxels. Default [0, 0.2]. */
  elasticMagnitude: range([0, 0.2], { from: 0, help: 'largest displacement in voxels' }),
  /**
   * The scale that the crop around a patch is sized for: smaller makes it larger. Default 0.85, nnU-Net's, although scaling goes up to
   * 1.4: what is zoomed out further, or turned about several axes, runs out of its crop and is padded.
   */
  cropScale: amount(0.85, { from: SMALLEST_SCALE, help: 'the scale that the crop around a patch is sized for: smaller makes it larger' }),
  /** Transform every slice across axis 0 alike, in its plane: for patches whose slices are few and thick. Default false. */
  dummy2d: { schema: flag(), default: false, help: 'transform every slice across axis 0 alike, in its plane' },
  /** Between voxels of the image: 'linear' (default) or 'nearest'. */
  image: { schema: oneOf(['linear', 'nearest']), default: 'linear', help: 'what is taken between voxels of the image' },
  /** 'linear': the label with the most linear weight, in a tie the nearest (default); or 'nearest'. */
  labels: {
    schema: oneOf(['linear', 'nearest']),
    default: 'linear',
    help: 'which label is taken between voxels: the one with the most linear weight, or the nearest',
  },
  /**
   * What images have where a patch reaches beyond its crop, as nnU-Net's `padding_mode_image`: 'zeros' (default), 'border' (the nearest
   * voxel) or 'reflection'. All but zeros are slow.
   */
  padding: {
    schema: oneOf(['zeros', 'border', 'reflection']),
    default: 'zeros',
    help: 'what images have where a patch reaches beyond its crop; all but zeros are slow',
  },
  /** The same of labels, as nnU-Net's `border_mode_seg`: 'constant' (default) is -1. */
  labelPadding: {
    schema: oneOf(['constant', 'zeros', 'border', 'reflection']),
    default: 'constant',
    help: 'what labels have where a patch reaches beyond its crop, constant is -1; all but that are slow',
  },
  /**
   * Decide labels bit for bit as batchgeneratorsv2 0.3.6 does: coordinates and weights in float32, scores rounded to float16, which
   * makes ties of near ties. Slow: for comparisons. Default false.
   */
  nnunetCompat: { schema: flag(), default: false, help: 'decide labels bit for bit as nnU-Net does; slow' },
} as const satisfies OptionTable;

/** Rotation, scaling and elastic deformation about the centre, with the crop to the final patch (docs/nnunet.md#spatial). */
export interface SpatialStep extends StepOf<'spatial', typeof OPTIONS> {}

/** The same with nothing left open. */
export type CompleteSpatialStep = CompleteStep<typeof OPTIONS>;

export interface SpatialParameters {
  /** Radians, one for each axis. */
  angles: number[];
  scales: number[];
  elastic?: ElasticParameters;
}

/** The axes it turns and scales: all of the patch, or those in the plane of its slices. */
export function spatialAxes(step: CompleteSpatialStep, axes: readonly Axis[]): readonly Axis[] {
  return step.dummy2d ? [1, 2] : axes;
}

/** Drawn and planned like any other; carried out while the patch is read (see `PatchMaker`), so `apply` has nothing left to do. */
export const spatial: Transform<typeof OPTIONS, SpatialParameters> = {
  purpose: 0,
  options: OPTIONS,

  draw(options, { axes: all }, draws) {
    const axes = spatialAxes(options, all);
    const rotate = draws.uniform() < options.rotationProbability;
    const scale = draws.uniform() < options.scalingProbability;
    const deform = draws.uniform() < options.elasticProbability;
    if (!rotate && !scale && !deform) return null;
    const angles = axes.map(() => (rotate ? drawRange(draws, options.rotation) : 0));
    if (rotate && options.axisProbability < 1) for (const i of angles.keys()) if (draws.uniform() >= options.axisProbability) angles[i] = 0;
    const common = scale ? drawRange(draws, options.scaling) : 1;
    const scales = axes.map((_, i) => (scale && options.scalingPerAxis && i > 0 ? drawRange(draws, options.scaling) : common));
    if (!deform) return { angles, scales };
    return { angles, scales, elastic: drawElastic(draws, axes, options.elasticScale, options.elasticMagnitude) };
  },

  apply() {},
};
