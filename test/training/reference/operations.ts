// Every operation of the trainer as plain loops in float64, forward and back: slow, and easy to see right.

import { type Triple, voxels } from '../../../src/common/geometry.ts';

/** [batch, channels, z, y, x]. */
export interface Values {
  batch: number;
  channels: number;
  shape: Triple;
  data: Float64Array;
}

export function values(batch: number, channels: number, shape: Triple, fill: (i: number) => number = () => 0): Values {
  return { batch, channels, shape, data: Float64Array.from({ length: batch * channels * voxels(shape) }, (_, i) => fill(i)) };
}

export interface Geometry {
  kernel: Triple;
  stride: Triple;
  padding: Triple;
}

/** Calls `visit` for every product in a convolution: indices into fine maps, coarse maps and weights [coarse, fine, taps]. */
function eachProduct(
  fine: Values,
  coarse: Values,
  geometry: Geometry,
  visit: (fine: number, coarse: number, weight: number) => void,
): void {
  const { kernel, stride, padding } = geometry;
  const [kz, ky, kx] = kernel;
  const [depth, height, width] = fine.shape;
  const [cz, cy, cx] = coarse.shape;
  for (let n = 0; n < coarse.batch; n++)
    for (let o = 0; o < coarse.channels; o++)
      for (let z = 0; z < cz; z++)
        for (let y = 0; y < cy; y++)
          for (let x = 0; x < cx; x++) {
            const at = (((n * coarse.channels + o) * cz + z) * cy + y) * cx + x;
            for (let i = 0; i < fine.channels; i++)
              for (let a = 0; a < kz; a++)
                for (let b = 0; b < ky; b++)
                  for (let c = 0; c < kx; c++) {
                    const fz = z * stride[0] + a - padding[0];
                    const fy = y * stride[1] + b - padding[1];
                    const fx = x * stride[2] + c - padding[2];
                    if (fz < 0 || fy < 0 || fx < 0 || fz >= depth || fy >= height || fx >= width) continue;
                    const from = (((n * fine.channels + i) * depth + fz) * height + fy) * width + fx;
                    visit(from, at, (((o * fine.channels + i) * kz + a) * ky + b) * kx + c);
                  }
          }
}

export function gather(
  fine: Values,
  coarse: Values,
  weights: ArrayLike<number>,
  bias: ArrayLike<number> | null,
  geometry: Geometry,
): Values {
  const out = addBias(coarse, bias);
  eachProduct(fine, coarse, geometry, (from, to, weight) => {
    out.data[to] += fine.data[from] * weights[weight];
  });
  return out;
}

export function scatter(
  fine: Values,
  coarse: Values,
  weights: ArrayLike<number>,
  bias: ArrayLike<number> | null,
  geometry: Geometry,
): Values {
  const out = addBias(fine, bias);
  eachProduct(fine, coarse, geometry, (to, from, weight) => {
    out.data[to] += coarse.data[from] * weights[weight];
  });
  return out;
}

export function weightGradient(fine: Values, coarse: Values, geometry: Geometry): Float64Array {
  const out = new Float64Array(coarse.channels * fine.channels * voxels(geometry.kernel));
  eachProduct(fine, coarse, geometry, (f, c, weight) => {
    out[weight] += fine.data[f] * coarse.data[c];
  });
  return out;
}

export function biasGradient({ channels, shape, data }: Values): Float64Array {
  const out = new Float64Array(channels);
  const area = voxels(shape);
  data.forEach((value, i) => {
    out[Math.floor(i / area) % channels] += value;
  });
  return out;
}

function addBias({ batch, channels, shape }: Values, bias: ArrayLike<number> | null): Values {
  return values(batch, channels, shape, (i) => (bias === null ? 0 : bias[Math.floor(i / voxels(shape)) % channels]));
}

const EPSILON = 1e-5;
const SLOPE = 0.01;

function normals(x: Values): { normal: Float64Array; scale: Float64Array } {
  const area = voxels(x.shape);
  const normal = new Float64Array(x.data.length);
  const scale = new Float64Array(x.batch * x.channels);
  for (let map = 0; map < scale.length; map++) {
    const part = x.data.subarray(map * area, (map + 1) * area);
    const mean = part.reduce((sum, value) => sum + value, 0) / area;
    const variance = part.reduce((sum, value) => sum + (value - mean) ** 2, 0) / area;
    scale[map] = 1 / Math.sqrt(variance + EPSILON);
    part.forEach((value, i) => {
      normal[map * area + i] = (value - mean) * scale[map];
    });
  }
  return { normal, scale };
}

/** What follows the norm: leaky ReLU, unless there is no activation, over what the residual is added to. */
export interface After {
  residual?: Values | null;
  activation?: boolean;
}

export function normalise(
  x: Values,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
  { residual = null, activation = true }: After = {},
): Values {
  const { normal } = normals(x);
  const area = voxels(x.shape);
  return values(x.batch, x.channels, x.shape, (i) => {
    const channel = Math.floor(i / area) % x.channels;
    const value = normal[i] * weight[channel] + bias[channel] + (residual?.data[i] ?? 0);
    return value > 0 || !activation ? value : SLOPE * value;
  });
}

export function normaliseGradient(
  x: Values,
  weight: ArrayLike<number>,
  bias: ArrayLike<number>,
  given: Values,
  { residual = null, activation = true }: After = {},
) {
  const { normal, scale } = normals(x);
  const area = voxels(x.shape);
  const gradients = {
    input: values(x.batch, x.channels, x.shape),
    residual: values(x.batch, x.channels, x.shape),
    weight: new Float64Array(x.channels),
    bias: new Float64Array(x.channels),
  };
  for (let map = 0; map < scale.length; map++) {
    const c = map % x.channels;
    const own = new Float64Array(area);
    let sum = 0;
    let product = 0;
    for (let i = 0; i < area; i++) {
      const at = map * area + i;
      const before = normal[at] * weight[c] + bias[c] + (residual?.data[at] ?? 0);
      own[i] = given.data[at] * (before > 0 || !activation ? 1 : SLOPE);
      gradients.residual.data[at] = own[i];
      sum += own[i];
      product += own[i] * normal[at];
    }
    gradients.weight[c] += product;
    gradients.bias[c] += sum;
    for (let i = 0; i < area; i++)
      gradients.input.data[map * area + i] = weight[c] * scale[map] * (own[i] - sum / area - (normal[map * area + i] * product) / area);
  }
  return gradients;
}

export interface LossKind {
  batchDice: boolean;
  ignore: number | null;
  /** The labels of each, where outputs are regions. */
  regions?: readonly (readonly number[])[];
}

/**
 * Soft Dice (no background, smooth 1e-5) plus cross-entropy over the voxels that count, and the gradient by the logits. Regions: Dice and
 * binary cross-entropy of sigmoids, whose mean is over regions, too, unless there is an ignore label.
 */
export function loss(logits: Values, labels: ArrayLike<number>, { batchDice, ignore, regions }: LossKind) {
  const { batch, channels, shape } = logits;
  const area = voxels(shape);
  const counts = (n: number, v: number): boolean => labels[n * area + v] >= 0 && labels[n * area + v] !== ignore;
  const truth = (n: number, v: number, c: number): number =>
    Number(regions === undefined ? labels[n * area + v] === c : regions[c].includes(labels[n * area + v]));
  const p = values(batch, channels, shape);
  let entropy = 0;
  let counted = 0;
  for (let n = 0; n < batch; n++)
    for (let v = 0; v < area; v++) {
      const at = (c: number): number => (n * channels + c) * area + v;
      const all = Array.from({ length: channels }, (_, c) => logits.data[at(c)]);
      const sum = all.reduce((total, z) => total + Math.exp(z), 0);
      for (let c = 0; c < channels; c++) p.data[at(c)] = regions === undefined ? Math.exp(all[c]) / sum : 1 / (1 + Math.exp(-all[c]));
      if (!counts(n, v)) continue;
      counted++;
      for (const [c, z] of all.entries()) {
        if (regions !== undefined) entropy += Math.log(1 + Math.exp(z)) - truth(n, v, c) * z;
        else if (truth(n, v, c) === 1) entropy += Math.log(sum) - z;
      }
    }
  if (regions !== undefined && ignore === null) counted *= channels;
  const groups = batchDice ? [Array.from({ length: batch }, (_, n) => n)] : Array.from({ length: batch }, (_, n) => [n]);
  const first = regions === undefined ? 1 : 0;
  const terms = groups.length * (channels - first);
  const gradient = values(batch, channels, shape);
  const byP = values(batch, channels, shape);
  let dice = 0;
  for (const group of groups)
    for (let c = first; c < channels; c++) {
      let above = 1e-5;
      let below = 1e-5;
      const each = (visit: (at: number, truth: number) => void): void => {
        for (const n of group) for (let v = 0; v < area; v++) if (counts(n, v)) visit((n * channels + c) * area + v, truth(n, v, c));
      };
      each((at, truth) => {
        above += 2 * p.data[at] * truth;
        below += p.data[at] + truth;
      });
      dice += above / below;
      each((at, truth) => {
        byP.data[at] = -((2 * truth) / below - above / below ** 2) / terms;
      });
    }
  for (let n = 0; n < batch; n++)
    for (let v = 0; v < area; v++) {
      if (!counts(n, v)) continue;
      const at = (c: number): number => (n * channels + c) * area + v;
      let mean = 0;
      for (let c = 0; c < channels; c++) mean += p.data[at(c)] * byP.data[at(c)];
      for (let c = 0; c < channels; c++) {
        const chance = p.data[at(c)];
        const byDice = regions === undefined ? chance * (byP.data[at(c)] - mean) : chance * (1 - chance) * byP.data[at(c)];
        gradient.data[at(c)] = byDice + (chance - truth(n, v, c)) / counted;
      }
    }
  return { value: (counted > 0 ? entropy / counted : 0) - dice / terms, gradient };
}
