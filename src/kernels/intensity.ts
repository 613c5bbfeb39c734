import type { Triple } from '../common/geometry.ts';

export interface Statistics {
  mean: number;
  /** With divisor n - 1; NaN of a single voxel. */
  deviation: number;
  lowest: number;
  highest: number;
}

/** What the power of an image is made of: the image's own statistics, in its own direction. */
export interface GammaTask {
  /** float32 [count]. */
  pointer: number;
  count: number;
  /** From about 0.05 to 10. */
  exponent: number;
  /** Whether to negate the image before and after. */
  invert: boolean;
  statistics: Statistics;
}

/** Symmetric weights along an axis: an odd number of float32 at an address; a single one leaves the axis as it is. */
export interface Taps {
  pointer: number;
  length: number;
}

export interface BlurTask {
  /** float32 [z, y, x]. */
  pointer: number;
  shape: Triple;
  /** Axis by axis. */
  taps: readonly [Taps, Taps, Taps];
  /** `blurScratchBytes` bytes for the kernel's use, 16-byte aligned. */
  scratch: number;
}

export interface LowResolutionTask {
  /** float32 [z, y, x]. */
  pointer: number;
  shape: Triple;
  /**
   * Axis by axis, for n voxels: int32 low [n], int32 high [n], float32 weight [n]. Voxel i becomes what is at low[i] and high[i],
   * blended by weight[i]. No voxel may be wanted for the first time beyond its own place, nor again once two later ones are.
   */
  tables: Triple;
  /** `lowResolutionScratchBytes` bytes for the kernel's use, 16-byte aligned. */
  scratch: number;
}

/** Kernels that change the voxels of one channel, in place. Counts are of voxels, pointers to float32, at any multiple of 4. */
export interface IntensityKernels {
  /** In one pass and float64. Any NaN makes all four NaN. */
  statistics(pointer: number, count: number): Statistics;
  /** x becomes factor * x + offset, kept within `lower` and `upper`. NaN stays NaN. */
  linear(pointer: number, count: number, factor: number, offset: number, lower?: number, upper?: number): void;
  /** x, kept within `lower` and `upper`, becomes (x - shift) / divisor: the difference in float32, the quotient in float64. */
  normalise(pointer: number, count: number, lower: number, upper: number, shift: number, divisor: number): void;
  /**
   * x becomes ((x - lowest) / max(r, 1e-7)) ^ exponent * r + lowest, where r = highest - lowest. Returns the mean and the deviation
   * of what the image has become.
   */
  gamma(task: GammaTask): { mean: number; deviation: number };
  /**
   * Adds normal random numbers of mean 0 and deviation `sigma`, a pure function of the four 32-bit words of `seed`, of `stream` and of
   * a voxel's place.
   */
  noise(pointer: number, count: number, sigma: number, seed: readonly number[], stream: number): void;
  /** Weighted means along the axes, 0 first. Beyond the ends the image goes on mirrored, without its last voxel twice. */
  blur(task: BlurTask): void;
  /** Blends two voxels along each axis. */
  lowResolution(task: LowResolutionTask): void;
}

/** What a call leaves behind, in this instance alone. */
interface Result {
  readonly value: number;
}

interface Exports {
  statistics(pointer: number, count: number): void;
  statisticsMean: Result;
  statisticsDeviation: Result;
  statisticsLowest: Result;
  statisticsHighest: Result;
  linear(pointer: number, count: number, factor: number, offset: number, lower: number, upper: number): void;
  normalise(pointer: number, count: number, lower: number, upper: number, shift: number, divisor: number): void;
  gamma(pointer: number, count: number, origin: number, inverse: number, range: number, exponent: number, centre: number): void;
  gammaCentre: Result;
  gammaSum: Result;
  gammaSquares: Result;
  noise(pointer: number, count: number, sigma: number, seed0: number, seed1: number, seed2: number, seed3: number, stream: number): void;
  blur(
    pointer: number,
    depth: number,
    height: number,
    width: number,
    taps0: number,
    length0: number,
    taps1: number,
    length1: number,
    taps2: number,
    length2: number,
    scratch: number,
  ): void;
  lowResolution(
    pointer: number,
    depth: number,
    height: number,
    width: number,
    table0: number,
    table1: number,
    table2: number,
    scratch: number,
  ): void;
}

/** What ranges are divided by at least, as in nnU-Net. */
const SMALLEST = 1e-7;

/** The kernels of `exports`, an instance's. */
export function bindIntensity(exports: unknown): IntensityKernels {
  const wasm = exports as Exports;
  return {
    statistics: (pointer, count) => {
      wasm.statistics(pointer, count);
      return {
        mean: wasm.statisticsMean.value,
        deviation: wasm.statisticsDeviation.value,
        lowest: wasm.statisticsLowest.value,
        highest: wasm.statisticsHighest.value,
      };
    },
    linear: (pointer, count, factor, offset, lower = Number.NEGATIVE_INFINITY, upper = Number.POSITIVE_INFINITY) =>
      wasm.linear(pointer, count, factor, offset, lower, upper),
    normalise: (...task) => wasm.normalise(...task),
    gamma: ({ pointer, count, exponent, invert, statistics }) => {
      const { lowest, highest, mean } = statistics;
      const range = Math.fround(highest - lowest);
      const inverse = inverseOf(range);
      const centre = range > 0 ? (invert ? highest - mean : mean - lowest) / range : 0;
      // Of the negated image the lowest is -highest; negating back turns the signs of both factors.
      const sign = invert ? -1 : 1;
      const origin = invert ? highest : lowest;
      wasm.gamma(pointer, count, origin, sign * inverse, sign * range, exponent, centre);
      const sum = wasm.gammaSum.value;
      const squares = Math.max(wasm.gammaSquares.value - (sum * sum) / count, 0);
      return {
        mean: origin + sign * range * (wasm.gammaCentre.value + sum / count),
        deviation: range * Math.sqrt(squares / (count - 1)),
      };
    },
    noise: (pointer, count, sigma, seed, stream) => wasm.noise(pointer, count, sigma, seed[0], seed[1], seed[2], seed[3], stream),
    blur: ({ pointer, shape, taps, scratch }) =>
      wasm.blur(
        pointer,
        shape[0],
        shape[1],
        shape[2],
        taps[0].pointer,
        taps[0].length,
        taps[1].pointer,
        taps[1].length,
        taps[2].pointer,
        taps[2].length,
        scratch,
      ),
    lowResolution: ({ pointer, shape, tables, scratch }) =>
      wasm.lowResolution(pointer, shape[0], shape[1], shape[2], tables[0], tables[1], tables[2], scratch),
  };
}

/** 1 / range in float32, rounded so that the highest voxel is at 1 at least, where the kernel cuts off. */
function inverseOf(range: number): number {
  const inverse = Math.fround(1 / Math.max(range, SMALLEST));
  return range >= SMALLEST && Math.fround(inverse * range) < 1 ? Math.fround(inverse * (1 + 2 ** -23)) : inverse;
}

/** @param lengths of the weights, axis by axis. */
export function blurScratchBytes(shape: Triple, lengths: Triple): number {
  const [depth, height, width] = shape;
  const pitch = align(4 * (width + lengths[2] - 1));
  const lists = align(4 * (lengths[0] + lengths[1] + lengths[2]));
  const planes = Math.max(Math.min(lengths[0] >> 1, depth), 1);
  return lists + pitch * (1 + Math.min(lengths[1], height)) + planes * 4 * height * width;
}

export function lowResolutionScratchBytes([, height, width]: Triple): number {
  return align(8 * width) + 8 * height * width;
}

function align(bytes: number): number {
  return Math.ceil(bytes / 16) * 16;
}
