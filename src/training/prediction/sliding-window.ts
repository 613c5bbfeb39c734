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

/**
 * Weights of a window's voxels, bit by bit those of nnU-Net, which keeps them as float16: high in the middle, nowhere 0, so that every
 * voxel counts.
 */
export function gaussianWeights(window: Triple): Float32Array {
  const axes = window.map((size) => {
    const centre = Math.floor(size / 2);
    return Float64Array.from({ length: size }, (_, i) => Math.exp(-((i - centre) ** 2) / (2 * (size * SIGMA) ** 2)));
  });
  const [, height, width] = window;
  const weights = Float32Array.from({ length: voxels(window) }, (_, i) =>
    Math.f16round(PEAK * (axes[0][Math.floor(i / (height * width))] * axes[1][Math.floor(i / width) % height] * axes[2][i % width])),
  );
  const least = weights.reduce((least, weight) => (weight > 0 && weight < least ? weight : least), PEAK);
  return weights.map((weight) => weight || least);
}

/** One array [z, y, x] of `shape` a channel. */
export interface Channels {
  channels: readonly Float32Array[];
  shape: Triple;
}

export interface WindowOptions {
  window: Triple;
  classes: number;
  onWindow?: (done: number, total: number) => void;
}

/**
 * Logits of a whole volume from those of overlapping windows, weighted by Gaussians. A volume smaller than a window is surrounded by
 * zeros. Only as many planes are held as a window is high: that is `windowBytes`, however many planes the volume has. The next window
 * is under way while the last is added.
 * @param predict logits [classes, z, y, x] of a window [channels, z, y, x]
 * @yields the planes of the volume from the first to the last: logits [y, x], one array a class
 */
export async function* slidingWindow(
  volume: Channels,
  predict: (patch: Float32Array) => Promise<Float32Array>,
  { window, classes, onWindow }: WindowOptions,
): AsyncGenerator<Float32Array[], void, undefined> {
  const { shape } = volume;
  // Half of what is missing goes before, the odd voxel after (`pad_nd_image`).
  const before = triple((axis) => Math.floor(Math.max(window[axis] - shape[axis], 0) / 2));
  const starts = (axis: Axis): number[] =>
    windowStarts(Math.max(shape[axis], window[axis]), window[axis]).map((start) => start - before[axis]);
  const corners = starts(0).flatMap((z) => starts(1).flatMap((y) => starts(2).map((x): Triple => [z, y, x])));
  const weights = gaussianWeights(window);
  const planes = new Planes(shape, window, classes);
  const begin = (corner: Triple): Promise<Float32Array> => {
    const found = predict(cut(volume, corner, window));
    // It may fail while nobody waits for it yet.
    found.catch(() => {});
    return found;
  };
  let next = begin(corners[0]);
  for (const [i, corner] of corners.entries()) {
    const logits = await next;
    if (i + 1 < corners.length) next = begin(corners[i + 1]);
    planes.add(logits, corner, weights);
    onWindow?.(i + 1, corners.length);
    // No later window reaches what lies before the next one.
    yield* planes.before(corners[i + 1]?.[0] ?? shape[0]);
  }
}

/** Bytes that `slidingWindow` takes at most, besides the volume: its planes, two windows and what it yields. */
export function windowBytes(shape: Triple, channels: number, { window, classes }: WindowOptions): number {
  const area = shape[1] * shape[2];
  const planes = Math.min(window[0], shape[0]) * (classes + 1) * area;
  return 4 * (planes + 2 * (classes + channels) * voxels(window) + voxels(window) + classes * area);
}

/** Sums over windows, of as many planes as a window is high: each makes room for a later one when it is whole. */
class Planes {
  readonly #shape: Triple;
  readonly #window: Triple;
  readonly #classes: number;
  readonly #area: number;
  /** Of each plane: sums of weighted logits of each class, then the sums of weights. */
  readonly #sums: Float32Array[];
  /** The first plane that was not given out. */
  #first = 0;

  constructor(shape: Triple, window: Triple, classes: number) {
    this.#shape = shape;
    this.#window = window;
    this.#classes = classes;
    this.#area = shape[1] * shape[2];
    this.#sums = Array.from({ length: Math.min(window[0], shape[0]) }, () => new Float32Array((classes + 1) * this.#area));
  }

  add(logits: Float32Array, corner: Triple, weights: Float32Array): void {
    const classes = this.#classes;
    const area = this.#area;
    eachRow(corner, this.#shape, this.#window, (inWindow, z, inPlane, length) => {
      const sums = this.#sums[z % this.#sums.length];
      for (let c = 0; c < classes; c++) {
        const from = c * weights.length + inWindow;
        const to = c * area + inPlane;
        for (let i = 0; i < length; i++) sums[to + i] += weights[inWindow + i] * logits[from + i];
      }
      for (let i = 0; i < length; i++) sums[classes * area + inPlane + i] += weights[inWindow + i];
    });
  }

  /** Gives out the planes before `end`. */
  *before(end: number): Generator<Float32Array[], void, undefined> {
    const area = this.#area;
    for (; this.#first < end; this.#first++) {
      const sums = this.#sums[this.#first % this.#sums.length];
      const total = sums.subarray(this.#classes * area);
      yield Array.from({ length: this.#classes }, (_, c) => sums.subarray(c * area, (c + 1) * area).map((sum, i) => sum / total[i]));
      sums.fill(0);
    }
  }
}

/** A window of the volume [channels, z, y, x]; zeros where it reaches beyond. */
function cut({ channels, shape }: Channels, corner: Triple, window: Triple): Float32Array {
  const area = voxels(window);
  const patch = new Float32Array(channels.length * area);
  for (const [c, channel] of channels.entries())
    eachRow(corner, shape, window, (inWindow, z, inPlane, length) => {
      const from = z * shape[1] * shape[2] + inPlane;
      patch.set(channel.subarray(from, from + length), c * area + inWindow);
    });
  return patch;
}

/** Visits the rows of a window that lie in the volume: where they begin in the window, their plane, where they begin in it, how long. */
function eachRow(
  corner: Triple,
  shape: Triple,
  window: Triple,
  visit: (inWindow: number, z: number, inPlane: number, length: number) => void,
): void {
  const lower = triple((axis) => Math.max(0, -corner[axis]));
  const upper = triple((axis) => Math.min(window[axis], shape[axis] - corner[axis]));
  for (let z = lower[0]; z < upper[0]; z++)
    for (let y = lower[1]; y < upper[1]; y++)
      visit(
        (z * window[1] + y) * window[2] + lower[2],
        corner[0] + z,
        (corner[1] + y) * shape[2] + corner[2] + lower[2],
        upper[2] - lower[2],
      );
}
