import type { Normalisation } from '../plans/normalisation.ts';
import { inBlocks } from './staged-voxels.ts';

/** The smallest divisor, so that constant images become 0 and not NaN. */
const EPSILON = 1e-8;

/**
 * Normalises one channel in place. `segmentation` marks voxels outside the nonzero region with -1; a masked z-score neither
 * counts nor changes those.
 * @throws RangeError for an RGB image with values outside 0 … 255.
 */
export function normalise(image: Float32Array, segmentation: Int8Array | Int16Array, by: Normalisation): void {
  switch (by.scheme) {
    case 'zscore': {
      const mask = by.masked ? segmentation : null;
      const { mean, std } = statistics(image, mask);
      shiftAndScale(image, mask, mean, std);
      break;
    }
    case 'ct':
      clipShiftAndScale(image, by);
      break;
    case 'rescale_to_0_1': {
      const { min, max } = range(image);
      const lowest = Math.fround(min);
      const width = Math.max(Math.fround(max - lowest), EPSILON);
      for (let i = 0; i < image.length; i++) image[i] = Math.fround(image[i] - lowest) / width;
      break;
    }
    case 'rgb_to_0_1': {
      const { min, max } = range(image);
      if (min < 0 || max > 255) throw new RangeError(`an RGB channel holds values from ${min} to ${max}, outside 0 to 255`);
      for (let i = 0; i < image.length; i++) image[i] /= 255;
      break;
    }
    case 'nonorm':
      break;
  }
}

/** Rounding the bounds first is the same as rounding what was clipped. */
function clipShiftAndScale(image: Float32Array, by: Extract<Normalisation, { scheme: 'ct' }>): void {
  const [low, high, shift] = [by.percentile_00_5, by.percentile_99_5, by.mean].map(Math.fround);
  const divisor = Math.max(by.std, EPSILON);
  inBlocks(image, true, (kernels, pointer, count) => kernels.normalise(pointer, count, low, high, shift, divisor));
}

function shiftAndScale(image: Float32Array, mask: Int8Array | Int16Array | null, mean: number, std: number): void {
  const divisor = Math.max(std, EPSILON);
  // Rounded after the subtraction, like nnU-Net's float32 arithmetic: with the tiny divisor of a constant image it shows.
  const shift = Math.fround(mean);
  if (mask === null)
    inBlocks(image, true, (kernels, pointer, count) => kernels.normalise(pointer, count, -Infinity, Infinity, shift, divisor));
  else for (let i = 0; i < image.length; i++) if (mask[i] >= 0) image[i] = Math.fround(image[i] - shift) / divisor;
}

function statistics(image: Float32Array, mask: Int8Array | Int16Array | null): { mean: number; std: number } {
  let count = 0;
  let sum = 0;
  for (let i = 0; i < image.length; i++) {
    if (mask !== null && mask[i] < 0) continue;
    count++;
    sum += image[i];
  }
  if (count === 0) return { mean: 0, std: 0 };
  const mean = sum / count;
  let squares = 0;
  for (let i = 0; i < image.length; i++) {
    if (mask !== null && mask[i] < 0) continue;
    squares += (image[i] - mean) ** 2;
  }
  return { mean, std: Math.sqrt(squares / count) };
}

function range(image: Float32Array): { min: number; max: number } {
  let min = Infinity;
  let max = -Infinity;
  for (let i = 0; i < image.length; i++) {
    if (image[i] < min) min = image[i];
    if (image[i] > max) max = image[i];
  }
  return { min, max };
}
