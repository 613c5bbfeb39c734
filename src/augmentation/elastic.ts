import type { Axis, Triple } from '../common/geometry.ts';
import { type Draws, philox } from '../common/random.ts';
import { drawRange, type Range } from './ranges.ts';

/** Plain data: the offsets follow from these and the patch's shape. One scale and one magnitude for each axis that is deformed. */
export interface ElasticParameters {
  /** Standard deviation of the smoothing as a part of the patch's size along the axis that is displaced. */
  scales: number[];
  /** Largest displacement along that axis, in voxels. */
  magnitudes: number[];
  /** Four unsigned 32-bit words. */
  seed: [number, number, number, number];
}

/** What is drawn for a deformation (docs/nnunet.md#elastic-deformation). */
export function drawElastic(draws: Draws, axes: readonly Axis[], scale: Range, magnitude: Range): ElasticParameters {
  const scales = axes.map(() => drawRange(draws, scale));
  const magnitudes = axes.map(() => drawRange(draws, magnitude));
  const word = (): number => draws.below(2 ** 32);
  return { scales, magnitudes, seed: [word(), word(), word(), word()] };
}

/**
 * What is added to the centred grid, in voxels: float32 [3][P]. For every axis d a field of white noise, smoothed on all axes by a
 * periodic Gaussian of sigma = scales[d] * P[d], then multiplied so that its largest absolute value is magnitudes[d].
 *
 * With two scales axes 1 and 2 are deformed, every slice alike: [3][1, P1, P2], zero along axis 0.
 */
export function elasticOffsets({ scales, magnitudes, seed }: ElasticParameters, patch: Triple): Float32Array {
  const planar = scales.length === 2;
  const shape: Triple = planar ? [1, patch[1], patch[2]] : patch;
  const size = shape[0] * shape[1] * shape[2];
  const offsets = new Float32Array(3 * size);
  for (let i = 0; i < scales.length; i++) {
    const axis = i + 3 - scales.length;
    const field = smoothField(shape, scales[i] * patch[axis], seed, axis);
    let largest = 0;
    for (const value of field) largest = Math.max(largest, Math.abs(value));
    const factor = Math.max(magnitudes[i], 1e-8) / largest;
    for (let at = 0; at < size; at++) offsets[axis * size + at] = factor * field[at];
  }
  return offsets;
}

/** Waves that the smoothing leaves less of than this are left out: below the precision of float32. */
const FAINTEST = 1e-8;

/**
 * Smoothed white noise of a shape, built from its waves. White noise is independent normal numbers in any orthonormal basis, so
 * they are drawn for the sines and cosines of each axis and weakened by the Gaussian's transfer function exp(-2 pi² sigma² f²):
 * the same distribution as filtering noise drawn voxel by voxel, for as many numbers as the smoothing leaves waves.
 */
function smoothField(shape: Triple, sigma: number, seed: ElasticParameters['seed'], axis: number): Float64Array {
  const [b0, b1, b2] = shape.map((length) => waves(length, sigma));
  const [n0, n1, n2] = [b0, b1, b2].map((basis, d) => basis.length / shape[d]);
  const noise = normals(n0 * n1 * n2, seed, axis);
  const alongRows = expandRows(noise, n0 * n1, b2, n2);
  const alongColumns = expand(alongRows, n0, b1, n1, shape[2]);
  return expand(alongColumns, 1, b0, n0, shape[1] * shape[2]);
}

/** The waves of an axis that smoothing leaves: orthonormal, times what it leaves of them. [waves][size], row by row. */
function waves(size: number, sigma: number): Float64Array {
  const rows: number[] = [];
  for (let k = 0; 2 * k <= size; k++) {
    const left = Math.exp(-2 * (Math.PI * sigma * (k / size)) ** 2);
    if (left < FAINTEST) break;
    // The mean and the fastest wave of an even size have no sine.
    const alone = k === 0 || 2 * k === size;
    const norm = left * Math.sqrt((alone ? 1 : 2) / size);
    for (let i = 0; i < size; i++) rows.push(norm * Math.cos((2 * Math.PI * k * i) / size));
    if (!alone) for (let i = 0; i < size; i++) rows.push(norm * Math.sin((2 * Math.PI * k * i) / size));
  }
  return Float64Array.from(rows);
}

/** [outer, count] coefficients of the last axis become [outer, size] values. */
function expandRows(from: Float64Array, outer: number, basis: Float64Array, count: number): Float64Array {
  const size = basis.length / count;
  const to = new Float64Array(outer * size);
  for (let o = 0; o < outer; o++) addWaves(from, o * count, 1, basis, 0, size, count, to, o * size, size);
  return to;
}

/** So many numbers of a row, and of the four it is made from, stay in a core's first-level cache. */
const CHUNK = 512;

/** [outer, count, inner] coefficients become [outer, size, inner] values. */
function expand(from: Float64Array, outer: number, basis: Float64Array, count: number, inner: number): Float64Array {
  const size = basis.length / count;
  const to = new Float64Array(outer * size * inner);
  for (let o = 0; o < outer; o++)
    for (let j = 0; j < inner; j += CHUNK) {
      const length = Math.min(CHUNK, inner - j);
      for (let i = 0; i < size; i++)
        addWaves(basis, i, size, from, o * count * inner + j, inner, count, to, (o * size + i) * inner + j, length);
    }
  return to;
}

/** Adds `count` rows of `length` numbers, each times a weight; four at a time, as reading and writing the sum takes longest. */
// biome-ignore format: one argument a line would hide the code
function addWaves(
  weights: Float64Array, w: number, weightStep: number, rows: Float64Array, r: number, rowStep: number, count: number,
  to: Float64Array, t: number, length: number,
): void {
  let k = 0;
  for (; k + 3 < count; k += 4) {
    const w0 = weights[w + k * weightStep];
    const w1 = weights[w + (k + 1) * weightStep];
    const w2 = weights[w + (k + 2) * weightStep];
    const w3 = weights[w + (k + 3) * weightStep];
    const r0 = r + k * rowStep;
    const r1 = r0 + rowStep;
    const r2 = r1 + rowStep;
    const r3 = r2 + rowStep;
    for (let j = 0; j < length; j++) to[t + j] += w0 * rows[r0 + j] + w1 * rows[r1 + j] + w2 * rows[r2 + j] + w3 * rows[r3 + j];
  }
  for (; k < count; k++) {
    const weight = weights[w + k * weightStep];
    const row = r + k * rowStep;
    for (let j = 0; j < length; j++) to[t + j] += weight * rows[row + j];
  }
}

/** Standard normal numbers by Box and Muller, four from a block of the seed's own stream for each axis. */
function normals(count: number, seed: ElasticParameters['seed'], axis: number): Float64Array {
  const block = new Uint32Array(4);
  const numbers = new Float64Array(Math.ceil(count / 4) * 4);
  for (let i = 0; i < numbers.length; i += 4) {
    philox(i / 4, axis, seed[2], seed[3], seed[0], seed[1], block);
    for (const j of [0, 2]) {
      const radius = Math.sqrt(-2 * Math.log((block[j] + 0.5) / 2 ** 32));
      const angle = (2 * Math.PI * block[j + 1]) / 2 ** 32;
      numbers[i + j] = radius * Math.cos(angle);
      numbers[i + j + 1] = radius * Math.sin(angle);
    }
  }
  return numbers;
}
