import type { Axis, Box, Triple } from '../common/geometry.ts';

/**
 * What stands outside the volume in an image: 0 (nnU-Net's default), the nearest voxel, or the mirrored inside without the edge
 * voxel itself. The last two are NumPy's modes "edge" and "reflect", applied to the part of the box that lies inside.
 */
export type PadMode = 'constant' | 'edge' | 'reflect';

export const PAD_MODES: readonly PadMode[] = ['constant', 'edge', 'reflect'];

/** Fills `patch` (shape `size`) outside the box `within` from the voxels inside it, in place. */
export function extendEdges(patch: Float32Array, size: Triple, within: Box, mode: 'edge' | 'reflect'): void {
  const strides: Triple = [size[1] * size[2], size[2], 1];
  // Fastest axis first: every later pass copies rows that are complete along the earlier ones.
  for (const axis of [2, 1, 0] as const) {
    for (let i = 0; i < size[axis]; i++) {
      const source =
        mode === 'edge' ? clamp(i, within.lower[axis], within.upper[axis] - 1) : reflect(i, within.lower[axis], within.upper[axis] - 1);
      if (source === i) continue;
      copySlice(patch, size, strides, axis, source, i);
    }
  }
}

const clamp = (i: number, low: number, high: number): number => Math.min(Math.max(i, low), high);

/** Walks back and forth between `low` and `high`, touching each end once a turn. */
function reflect(i: number, low: number, high: number): number {
  const length = high - low;
  if (length === 0) return low;
  const period = 2 * length;
  const step = (((i - low) % period) + period) % period;
  return low + (step <= length ? step : period - step);
}

function copySlice(patch: Float32Array, size: Triple, strides: Triple, axis: Axis, from: number, to: number): void {
  const [outer, inner] = [0, 1, 2].filter((other) => other !== axis) as [Axis, Axis];
  for (let u = 0; u < size[outer]; u++) {
    for (let v = 0; v < size[inner]; v++) {
      const base = u * strides[outer] + v * strides[inner];
      patch[base + to * strides[axis]] = patch[base + from * strides[axis]];
    }
  }
}
