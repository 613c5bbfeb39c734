import type { Kernel } from '../gpu/kernel.ts';
import { gatherBox, scatterBox } from './box-convolution.ts';
import { weightGradientBox } from './box-weight-gradient.ts';
import type { Convolution } from './convolution.ts';
import type { Parameter } from './parameters.ts';
import { gatherProduct, scatterProduct } from './product-convolution.ts';
import { productWeightGradient } from './product-weight-gradient.ts';

/** coarse = weights * fine (+ bias): a convolution forward, or the data gradient of a transposed one. */
export function gather(of: Convolution, weights: Parameter, bias: Parameter | null, { accumulate = false } = {}): Kernel[] {
  return gatherBox(of, weights, bias, accumulate) ?? [gatherProduct(of, weights, bias, accumulate)];
}

/** fine = weights^T * coarse (+ bias): the data gradient of a convolution, or a transposed one forward. */
export function scatter(of: Convolution, weights: Parameter, bias: Parameter | null, { accumulate = false } = {}): Kernel[] {
  return scatterBox(of, weights, bias, accumulate) ?? [scatterProduct(of, weights, bias, accumulate)];
}

/** gradient[coarse channel, fine channel, tap]: the weight gradient of both. */
export function weightGradient(of: Convolution, gradient: Parameter): Kernel[] {
  return weightGradientBox(of, gradient) ?? productWeightGradient(of, gradient);
}
