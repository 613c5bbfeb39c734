import type { Statistics } from '../../../src/kernels/intensity.ts';

/** Two passes in float64: the mean, then the deviations from it. */
export function statistics(image: Float32Array): Statistics {
  const mean = image.reduce((sum, x) => sum + x, 0) / image.length;
  const squares = image.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / (image.length - 1)), lowest: Math.min(...image), highest: Math.max(...image) };
}
