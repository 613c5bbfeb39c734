import { OptionError } from '../../../common/errors.ts';
import { drawElastic, type ElasticParameters } from '../../elastic.ts';
import { checkProbability, checkRange, drawRange, type Range } from '../../ranges.ts';
import type { Step, Transform } from '../../transform.ts';
import { checkNumber, checkOptions } from '../check-options.ts';

/** Rotation, scaling and elastic deformation about the centre, with the crop to the final patch (augmentation sheet, section 3). */
export interface SpatialStep extends Step {
  readonly transform: 'spatial';
  /** How often a patch is rotated. Default 0.2. */
  readonly rotationProbability?: number;
  /** Radians, one angle drawn for each axis; a 2D patch is turned by the last. Default: none, presets choose by the patch's shape. */
  readonly rotation?: Range;
  /** How often each angle is kept when a patch is rotated. Default 1. */
  readonly axisProbability?: number;
  /** How often a patch is scaled. Default 0.2. */
  readonly scalingProbability?: number;
  /** Above 1 objects become smaller. Default [0.7, 1.4]. */
  readonly scaling?: Range;
  /** Whether each axis is scaled by a factor of its own. Default false. */
  readonly scalingPerAxis?: boolean;
  /** How often a patch is deformed. Default 0. */
  readonly elasticProbability?: number;
  /** Width of the deformation's smoothing as a part of the patch. Default [0, 0.2]. */
  readonly elasticScale?: Range;
  /** Largest displacement in voxels. Default [0, 0.2]. */
  readonly elasticMagnitude?: Range;
  /**
   * The scale that the crop around a patch is sized for: smaller makes it larger. Default 0.85, nnU-Net's, although scaling goes up to
   * 1.4: what is zoomed out further, or turned about several axes, runs out of its crop and is padded.
   */
  readonly cropScale?: number;
  /** Transform every slice across axis 0 alike, in its plane: for patches whose slices are few and thick. Default false. */
  readonly dummy2d?: boolean;
  /** Between voxels of the image: 'linear' (default) or 'nearest'. */
  readonly image?: 'linear' | 'nearest';
  /** 'linear': the label with the most linear weight, in a tie the nearest (default); or 'nearest'. */
  readonly labels?: 'linear' | 'nearest';
  /**
   * Decide labels bit for bit as batchgeneratorsv2 0.3.6 does: coordinates and weights in float32, scores rounded to float16, which
   * makes ties of near ties. Slow: for comparisons. Default false.
   */
  readonly nnunetCompat?: boolean;
}

export interface SpatialParameters {
  /** Radians, one for each axis. */
  angles: number[];
  scales: number[];
  elastic?: ElasticParameters;
}

const DEFAULTS = {
  rotationProbability: 0.2,
  rotation: 0,
  axisProbability: 1,
  scalingProbability: 0.2,
  scaling: [0.7, 1.4],
  scalingPerAxis: false,
  elasticProbability: 0,
  elasticScale: [0, 0.2],
  elasticMagnitude: [0, 0.2],
  cropScale: 0.85,
  dummy2d: false,
  image: 'linear',
  labels: 'linear',
  nnunetCompat: false,
} as const satisfies Required<Omit<SpatialStep, 'transform' | 'probability'>>;

/** Stronger scaling than this makes no sense, and its boxes no longer fit into the scratch. */
const SMALLEST_SCALE = 0.05;
const LARGEST_SCALE = 8;

/** A spatial step with nothing left open. */
export function withDefaults(step: SpatialStep): Required<SpatialStep> {
  return { ...DEFAULTS, probability: 1, ...step };
}

/** The axes it turns and scales: all of the patch, or those in the plane of its slices. */
export function spatialAxes(step: SpatialStep, axes: readonly (0 | 1 | 2)[]): readonly (0 | 1 | 2)[] {
  return step.dummy2d ? [1, 2] : axes;
}

/** Drawn and planned like any other; carried out while the patch is read (see `PatchMaker`), so `apply` has nothing left to do. */
export const spatial: Transform<SpatialStep, SpatialParameters> = {
  stage: 0,

  check(step, path) {
    checkOptions(step, path, Object.keys(DEFAULTS));
    const complete = withDefaults(step);
    for (const name of ['rotationProbability', 'axisProbability', 'scalingProbability', 'elasticProbability'] as const)
      checkProbability(`${path}.${name}`, complete[name]);
    checkRange(`${path}.rotation`, complete.rotation, -2 * Math.PI, 2 * Math.PI);
    checkRange(`${path}.scaling`, complete.scaling, SMALLEST_SCALE, LARGEST_SCALE);
    checkRange(`${path}.elasticScale`, complete.elasticScale, 0, 1);
    checkRange(`${path}.elasticMagnitude`, complete.elasticMagnitude, 0);
    checkNumber(`${path}.cropScale`, complete.cropScale, SMALLEST_SCALE);
    for (const name of ['scalingPerAxis', 'dummy2d', 'nnunetCompat'] as const)
      if (typeof complete[name] !== 'boolean')
        throw new OptionError(`${path}.${name}`, `${JSON.stringify(complete[name])} is neither true nor false`, 'Set it to true or false');
    checkChoice(`${path}.image`, complete.image, ['linear', 'nearest']);
    checkChoice(`${path}.labels`, complete.labels, ['linear', 'nearest']);
  },

  draw(step, { axes: all }, draws) {
    const options = withDefaults(step);
    const axes = spatialAxes(step, all);
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

function checkChoice(where: string, value: string, allowed: string[]): void {
  if (!allowed.includes(value))
    throw new OptionError(where, `${JSON.stringify(value)} is not known`, `Choose one of ${allowed.join(', ')}`);
}
