import { type Triple, triple, voxels } from '../../common/geometry.ts';
import { placeIn } from '../gpu/kernel.ts';
import type { Maps, Width } from '../gpu/memory.ts';
import type { Tiling } from '../gpu/tile.ts';
import type { Parameter } from './parameters.ts';

/**
 * The geometry of a convolution: `fine` maps in, `coarse` maps out. A transposed convolution is the same with the roles swapped.
 * 2D has 1 along axis 0.
 */
export interface Convolution {
  name: string;
  fine: Maps;
  coarse: Maps;
  kernel: Triple;
  stride: Triple;
  padding: Triple;
  tiling: Tiling;
}

/** The shape that comes out of a convolution. */
export function coarseShape(fine: Triple, kernel: Triple, stride: Triple, padding: Triple): Triple {
  return triple((axis) => Math.floor((fine[axis] + 2 * padding[axis] - kernel[axis]) / stride[axis]) + 1);
}

/** What the speed of a product depends on, besides how it is tiled. */
export function productOf(kind: string, { fine, coarse, kernel, stride }: Omit<Convolution, 'tiling'>): string {
  const size = ({ batch, channels, shape, memory: { type } }: Maps): string => `${[batch, channels, ...shape].join('x')} ${type}`;
  return `${kind}, fine ${size(fine)}, coarse ${size(coarse)}, kernel ${kernel.join('x')}, stride ${stride.join('x')}`;
}

/** Forward, and of each gradient alike. */
export function flopsOf({ fine, coarse, kernel }: Pick<Convolution, 'fine' | 'coarse' | 'kernel'>): number {
  return 2 * coarse.batch * fine.channels * coarse.channels * voxels(kernel) * voxels(coarse.shape);
}

/** Weights and biases lie in one memory, which is bound once. */
export function withBias(value: string, weights: Parameter, bias: Parameter | null, width: Width): string {
  if (bias === null) return value;
  const at = `${placeIn(weights, bias)}u + m`;
  return `${value} + weights${width === 4 ? `[(${at}) / 4u][(${at}) % 4u]` : `[${at}]`}`;
}

export function put(name: string, { memory: { type } }: Maps, value: string, accumulate: boolean): string {
  const before = accumulate ? `f32(${name}[at]) + ` : '';
  return `${name}[at] = ${type === 'f16' ? `f16(${before}${value})` : `${before}${value}`};`;
}
