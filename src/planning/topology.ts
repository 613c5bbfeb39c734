import { SMALLEST_EDGE } from './planners.ts';

/** Where a U-Net pools and how large its kernels are. One entry a stage and, in it, one an axis. */
export interface Topology {
  /** How often each axis is halved. */
  pools: number[];
  strides: number[][];
  kernels: number[][];
  /** The patch, enlarged to a multiple of `divisor`. */
  patch: number[];
  /** 2 to the power of `pools`. */
  divisor: number[];
}

/** Axes whose spacing differs by less than this factor are treated alike. */
const SIMILAR = 2;

/**
 * Halves a patch until its feature maps are as small as they may be, the finest axes first, so that voxels of the deepest
 * stages are about cubic (docs/nnunet.md#topology). Kernels span an axis from the stage on at which
 * its spacing is similar to the finest.
 * @param spacing millimetres an axis, two axes or three
 * @param patch voxels an axis; need not be whole numbers
 */
export function planTopology(spacing: readonly number[], patch: readonly number[]): Topology {
  const axes = spacing.map((_, axis) => axis);
  const size = [...patch];
  const coarse = [...spacing];
  const pools = axes.map(() => 0);
  const kernel = axes.map(() => 1);
  const strides = [axes.map(() => 1)];
  const kernels: number[][] = [];
  for (;;) {
    const large = axes.filter((axis) => size[axis] >= 2 * SMALLEST_EDGE);
    const finest = Math.min(...large.map((axis) => coarse[axis]));
    const pooled = large.filter((axis) => coarse[axis] / finest < SIMILAR);
    if (pooled.length === 0 || (pooled.length === 1 && size[pooled[0]] < 3 * SMALLEST_EDGE)) break;

    const finestOfAll = Math.min(...coarse);
    for (const axis of axes) if (coarse[axis] / finestOfAll < SIMILAR) kernel[axis] = 3;
    kernels.push([...kernel]);
    strides.push(axes.map((axis) => (pooled.includes(axis) ? 2 : 1)));
    for (const axis of pooled) {
      pools[axis]++;
      coarse[axis] *= 2;
      size[axis] = Math.ceil(size[axis] / 2);
    }
  }
  kernels.push(axes.map(() => 3));
  const divisor = pools.map((count) => 2 ** count);
  return { pools, strides, kernels, patch: patch.map((length, axis) => Math.ceil(length / divisor[axis]) * divisor[axis]), divisor };
}
