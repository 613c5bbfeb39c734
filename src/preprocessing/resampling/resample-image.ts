import { AXES, type Axis, type Triple, voxels } from '../../common/geometry.ts';
import { inBlocks } from '../staged-voxels.ts';
import { checkOrder, checkTarget } from './resample-checks.ts';
import { type Clamp, resizeAxis } from './resize-axis.ts';
import type { Order } from './taps.ts';

/** An axis whose voxels are so many times longer than the shortest is resampled on its own. */
const ANISOTROPY = 3;

export interface ImageResampling {
  order: Order;
  /** The axis of low resolution: slices across it are resized one by one, then it is resized with `orderZ`. */
  separate: Axis | null;
  orderZ: Order;
}

/**
 * The axis to resample on its own between two spacings, if any. `force` decides whether there is to be one instead of how much the
 * sizes of voxels differ; two axes of the lowest resolution are none even so.
 */
export function separateAxis(current: Triple, target: Triple, force: boolean | null = null): Axis | null {
  if (force !== null) return force ? lowResolutionAxis(current) : null;
  const anisotropic = [current, target].find((spacing) => Math.max(...spacing) / Math.min(...spacing) > ANISOTROPY);
  return anisotropic ? lowResolutionAxis(anisotropic) : null;
}

function lowResolutionAxis(spacing: Triple): Axis | null {
  // Divided and not compared, as nnU-Net does: a difference in the last bit does not count.
  const axes = AXES.filter((axis) => Math.max(...spacing) / spacing[axis] === 1);
  return axes.length === 1 ? axes[0] : null;
}

/**
 * Resamples one channel of finite values, shape [z, y, x], to the shape `target` as nnU-Net does: axis by axis, because the spline
 * through a volume is a product of splines along its axes. The result stays within the range of the channel, or of its slice where
 * an axis is separate; only a spline along that axis may leave it. Needs memory for the result and, where an axis shrinks, for at
 * most one volume between. Where the shape is the same, `data` itself comes back.
 * @throws RangeError for an order other than 0, 1 and 3, and for a target without voxels.
 */
export function resampleImage(data: Float32Array, shape: Triple, target: Triple, options: ImageResampling): Float32Array {
  const { order, separate, orderZ } = options;
  checkOrder(order, 'order');
  checkOrder(orderZ, 'order along the separate axis');
  checkTarget(target);
  const passes = planPasses(shape, target, options);
  if (passes.length === 0) return data;

  const result = new Float32Array(voxels(target));
  const largest = Math.max(0, ...passes.slice(0, -1).map(({ to }) => voxels(to)));
  const between = largest <= result.length ? result : new Float32Array(largest);
  const inSlices = passes.filter(({ axis }) => axis !== separate);
  let ranges: Ranges | null = null;
  let source = data;
  for (const pass of passes) {
    const { axis, from, to } = pass;
    if (order === 3 && pass === inSlices[0]) ranges = rangesOf(source, from, separate);
    const resized = pass === passes.at(-1) ? result : between;
    resizeAxis(source, resized, {
      outer: voxels(from.slice(0, axis)),
      from: from[axis],
      to: to[axis],
      inner: voxels(from.slice(axis + 1)),
      order: axis === separate ? orderZ : order,
      clamp: ranges && pass === inSlices.at(-1) ? { ...ranges, stride: separate === null ? 1 : voxels(from.slice(separate + 1)) } : null,
    });
    source = resized;
  }
  return result;
}

interface Pass {
  axis: Axis;
  from: Triple;
  to: Triple;
}

/** The axes to resize, one after the other: shrinking ones first, so that the others have less to do. */
function planPasses(shape: Triple, target: Triple, { separate, orderZ }: ImageResampling): Pass[] {
  const growth = (axis: Axis): number => target[axis] / shape[axis];
  // The separate axis comes last; or first, where that only leaves out slices.
  const separateRank = orderZ === 0 && separate !== null && growth(separate) < 1 ? -1 : 1;
  const rank = (axis: Axis): number => (axis === separate ? separateRank : 0);
  let from = shape;
  return AXES.filter((axis) => shape[axis] !== target[axis])
    .sort((a, b) => rank(a) - rank(b) || growth(a) - growth(b))
    .map((axis) => {
      const pass = { axis, from, to: from.with(axis, target[axis]) as Triple };
      from = pass.to;
      return pass;
    });
}

type Ranges = Pick<Clamp, 'lower' | 'upper'>;

/** Runs of fewer voxels are looked through where they are: staging them would take longer. */
const SHORT_RUN = 512;

/** The smallest and largest value of each slice across `axis`, or of the whole volume. */
function rangesOf(data: Float32Array, shape: Triple, axis: Axis | null): Ranges {
  const slices = axis === null ? 1 : shape[axis];
  const run = axis === null ? voxels(shape) : voxels(shape.slice(axis + 1));
  const ranges = { lower: new Float32Array(slices).fill(Infinity), upper: new Float32Array(slices).fill(-Infinity) };
  const widen = run < SHORT_RUN ? widenByLoop : widenByKernel;
  for (let start = 0, slice = 0; start < data.length; start += run, slice = slice + 1 < slices ? slice + 1 : 0)
    widen(ranges, slice, data, start, start + run);
  return ranges;
}

function widenByLoop({ lower, upper }: Ranges, slice: number, data: Float32Array, start: number, end: number): void {
  let [low, high] = [lower[slice], upper[slice]];
  for (let i = start; i < end; i++) {
    const value = data[i];
    if (value < low) low = value;
    if (value > high) high = value;
  }
  lower[slice] = low;
  upper[slice] = high;
}

function widenByKernel({ lower, upper }: Ranges, slice: number, data: Float32Array, start: number, end: number): void {
  inBlocks(data.subarray(start, end), false, (kernels, pointer, count) => {
    const { lowest, highest } = kernels.statistics(pointer, count);
    // Of the two zeros always the same one, wherever they lie.
    lower[slice] = Math.min(lower[slice], lowest + 0);
    upper[slice] = Math.max(upper[slice], highest + 0);
  });
}
