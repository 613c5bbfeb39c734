import { AXES, type Triple } from '../../../common/geometry.ts';
import type { Checked, Given, OptionTable } from '../../../common/options.ts';
import type { Draws } from '../../../common/random.ts';
import { drawRange } from '../../ranges.ts';
import { range } from '../../step-options.ts';
import type { PatchContext } from '../../transform.ts';

/**
 * A Gaussian hill in or beside the patch, from 0 at its lowest voxel to 1 at its highest (batchgeneratorsv2's `LocalTransform`,
 * which places the local changes of nnU-Net's DA5).
 */
export interface Bump {
  /** Where the hill is highest, in voxels from the lower corner of the patch, voxel 0 centred at 0. */
  centre: Triple;
  /** Standard deviations in voxels. */
  width: Triple;
}

/** The options of the transforms that change a patch around one place. */
export const BUMP_OPTIONS = {
  /** Where the hill is, as fractions of each axis. Default [-0.5, 1.5]. */
  centre: range([-0.5, 1.5], { help: 'where the change is largest, as fractions of each axis' }),
  /**
   * Standard deviations, as fractions of each axis, drawn uniformly in their logarithm; the lower end is rounded down to whole voxels,
   * at least 1. Default [1 / 6, 1].
   */
  width: range([1 / 6, 1], { from: 0, help: 'standard deviations, as fractions of each axis, drawn uniformly in their logarithm' }),
} as const satisfies OptionTable;

/** First where steps extend it: comments of what is spread into their tables get lost in declarations. */
export interface BumpOptions extends Readonly<Given<typeof BUMP_OPTIONS>> {}

export function drawBump(draws: Draws, { shape, axes }: PatchContext, { centre, width }: Checked<typeof BUMP_OPTIONS>): Bump {
  const [narrow, wide] = typeof width === 'number' ? [width, width] : width;
  const bump: Bump = { centre: [0, 0, 0], width: [1, 1, 1] };
  for (const axis of axes) {
    bump.centre[axis] = shape[axis] * drawRange(draws, centre);
    const low = Math.log(Math.max(1, Math.floor(shape[axis] * narrow)));
    bump.width[axis] = Math.exp(drawRange(draws, [low, Math.max(low, Math.log(shape[axis] * wide))]));
  }
  return bump;
}

/**
 * The hill as one factor for each position along each axis: at (z, y, x) it is `factors[0][z] * factors[1][y] * factors[2][x] - low`.
 * Null where the patch is level: where all of its voxels are equal.
 */
export function bumpFactors({ centre, width }: Bump, shape: Triple): { factors: Float64Array[]; low: number } | null {
  const factors = AXES.map((axis) => masses(shape[axis], centre[axis], width[axis]));
  // The product is lowest where each factor is, and highest where each is.
  const product = (pick: (...numbers: number[]) => number): number =>
    factors.reduce((all, values) => all * values.reduce((a, b) => pick(a, b)), 1);
  const low = product(Math.min);
  const height = product(Math.max) - low;
  if (!(height > 0)) return null;
  for (let z = 0; z < shape[0]; z++) factors[0][z] /= height;
  return { factors, low: low / height };
}

// Gauss and Legendre's rule of 8 points for an interval of length 1 around 0.
const NODES = [0.0917173212478249, 0.2627662049581645, 0.3983332387068134, 0.4801449282487681];
const SHARES = [0.181341891689181, 0.1568533229389436, 0.1111905172266872, 0.0506142681451881];

/**
 * How much of a normal distribution lies in each voxel, up to one factor for all. Integrated instead of taken as a difference of the
 * distribution function, which far above the centre is a difference of numbers close to 1.
 */
function masses(count: number, centre: number, width: number): Float64Array {
  const density = (x: number): number => Math.exp(-0.5 * ((x - centre) / width) ** 2);
  return Float64Array.from({ length: count }, (_, i) =>
    NODES.reduce((sum, node, k) => sum + SHARES[k] * (density(i - node) + density(i + node)), 0),
  );
}
