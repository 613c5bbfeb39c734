import { type Axis, type Triple, triple, voxels } from '../../common/geometry.ts';
import { roundHalfEven } from '../../common/round.ts';

/** Neighbouring windows overlap by half (nnU-Net's `tile_step_size`). */
const STEP = 0.5;
/** The width of the Gaussian, as a part of the window's edge, and its peak (`compute_gaussian`). */
const SIGMA = 1 / 8;
const PEAK = 10;

/** Where windows begin along one axis: evenly spread, at most half a window apart (`compute_steps_for_sliding_window`). */
export function windowStarts(length: number, window: number): number[] {
  if (length <= window) return [0];
  // A window of one slice is a 2D patch: every slice once.
  const count = window === 1 ? length : Math.ceil((length - window) / (window * STEP)) + 1;
  return Array.from({ length: count }, (_, i) => roundHalfEven(((length - window) / (count - 1)) * i));
}

/** Weights of a window's voxels: high in the middle, nowhere 0, so that every voxel counts. */
export function gaussianWeights(window: Triple): Float32Array {
  const axes = window.map((size) => {
    const centre = Math.floor(size / 2);
    return Float64Array.from({ length: size }, (_, i) => Math.exp(-((i - centre) ** 2) / (2 * (size * SIGMA) ** 2)));
  });
  const [, height, width] = window;
  return Float32Array.from({ length: voxels(window) }, (_, i) =>
    Math.max(PEAK * axes[0][Math.floor(i / (height * width))] * axes[1][Math.floor(i / width) % height] * axes[2][i % width], 1e-6),
  );
}

export interface WindowOptions {
  window: Triple;
  classes: number;
  /** Also predict each window mirrored along these axes, in every combination, and take the mean. */
  mirrorAxes?: readonly number[];
  onWindow?: (done: number, total: number) => void;
}

/**
 * Logits of a whole volume from those of overlapping windows, weighted by Gaussians. A volume smaller than a window is
 * surrounded by zeros.
 * @param volume one array [z, y, x] of `shape` a channel
 * @param predict logits [classes, z, y, x] of a window [channels, z, y, x]
 * @returns one array a class, in the volume's shape
 */
export async function slidingWindow(
  { channels, shape }: { channels: readonly Float32Array[]; shape: Triple },
  predict: (patch: Float32Array) => Promise<Float32Array>,
  { window, classes, mirrorAxes = [], onWindow }: WindowOptions,
): Promise<Float32Array[]> {
  // Half of what is missing goes before, the odd voxel after (`pad_nd_image`).
  const before = triple((axis) => Math.floor(Math.max(window[axis] - shape[axis], 0) / 2));
  const starts = triple2((axis) => windowStarts(Math.max(shape[axis], window[axis]), window[axis]).map((start) => start - before[axis]));
  const weights = gaussianWeights(window);
  const area = voxels(window);
  const logits = Array.from({ length: classes }, () => new Float32Array(voxels(shape)));
  const total = new Float32Array(voxels(shape));
  const patch = new Float32Array(channels.length * area);
  const mirrors = subsets(mirrorAxes);
  const count = starts[0].length * starts[1].length * starts[2].length;
  let done = 0;
  for (const z of starts[0])
    for (const y of starts[1])
      for (const x of starts[2]) {
        const corner: Triple = [z, y, x];
        patch.fill(0);
        for (const [c, channel] of channels.entries())
          eachVoxel(corner, shape, window, (inWindow, inVolume) => {
            patch[c * area + inWindow] = channel[inVolume];
          });
        const sum = new Float32Array(classes * area);
        for (const axes of mirrors) {
          const found = mirror(await predict(mirror(patch, window, axes)), window, axes);
          for (let i = 0; i < sum.length; i++) sum[i] += found[i] / mirrors.length;
        }
        eachVoxel(corner, shape, window, (inWindow, inVolume) => {
          for (let c = 0; c < classes; c++) logits[c][inVolume] += weights[inWindow] * sum[c * area + inWindow];
          total[inVolume] += weights[inWindow];
        });
        onWindow?.(++done, count);
      }
  for (const map of logits) for (let i = 0; i < map.length; i++) map[i] /= total[i];
  return logits;
}

/** Visits the voxels of a window that lie in the volume. */
function eachVoxel(corner: Triple, shape: Triple, window: Triple, visit: (inWindow: number, inVolume: number) => void): void {
  const lower = triple((axis) => Math.max(0, -corner[axis]));
  const upper = triple((axis) => Math.min(window[axis], shape[axis] - corner[axis]));
  for (let z = lower[0]; z < upper[0]; z++)
    for (let y = lower[1]; y < upper[1]; y++) {
      const inWindow = (z * window[1] + y) * window[2];
      const inVolume = ((corner[0] + z) * shape[1] + corner[1] + y) * shape[2] + corner[2];
      for (let x = lower[2]; x < upper[2]; x++) visit(inWindow + x, inVolume + x);
    }
}

/** The channels of a patch, mirrored along axes; the patch itself where there are none. */
export function mirror(patch: Float32Array, window: Triple, axes: readonly number[]): Float32Array {
  if (axes.length === 0) return patch;
  const area = voxels(window);
  const [, height, width] = window;
  const at = (size: number, axis: number, i: number): number => (axes.includes(axis) ? size - 1 - i : i);
  return Float32Array.from(patch, (_, i) => {
    const flat = i % area;
    const z = at(window[0], 0, Math.floor(flat / (height * width)));
    const y = at(height, 1, Math.floor(flat / width) % height);
    const x = at(width, 2, flat % width);
    return patch[i - flat + (z * height + y) * width + x];
  });
}

function subsets(axes: readonly number[]): number[][] {
  return Array.from({ length: 2 ** axes.length }, (_, bits) => axes.filter((_, i) => bits & (1 << i)));
}

function triple2(make: (axis: Axis) => number[]): [number[], number[], number[]] {
  return [make(0), make(1), make(2)];
}
