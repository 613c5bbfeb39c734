import { expect, test } from 'vitest';
import type { Triple } from '../../../src/common/geometry.ts';
import { gaussianWeights, mirror, slidingWindow, windowStarts } from '../../../src/training/prediction/sliding-window.ts';

test.each([
  [10, 16, [0]],
  [16, 16, [0]],
  [17, 16, [0, 1]],
  [40, 16, [0, 8, 16, 24]],
  [110, 64, [0, 23, 46]],
  [3, 1, [0, 1, 2]],
])('windows along %d voxels, %d at once, begin where nnU-Net lets them', (length, window, starts) => {
  expect(windowStarts(length, window)).toEqual(starts);
});

test('weights peak in the middle and vanish nowhere', () => {
  const weights = gaussianWeights([4, 6, 8]);
  expect(weights.indexOf(Math.max(...weights))).toBe((2 * 6 + 3) * 8 + 4);
  expect(Math.max(...weights)).toBeCloseTo(10, 5);
  expect(Math.min(...weights)).toBeGreaterThan(0);
});

/** Logits that are functions of the image: the image itself, and its negative. */
const copy = async (patch: Float32Array): Promise<Float32Array> => Float32Array.from([...patch, ...patch.map((value) => -value)]);

test.each<[string, Triple, Triple]>([
  ['larger than a window', [9, 13, 8], [4, 6, 8]],
  ['smaller than a window', [3, 5, 6], [4, 8, 8]],
  ['slices', [3, 9, 10], [1, 8, 8]],
])('logits come out where they belong: volumes %s', async (_, shape, window) => {
  const image = Float32Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, i) => Math.sin(i));
  for (const mirrorAxes of [[], [0, 1, 2]]) {
    const [first, second] = await slidingWindow({ channels: [image], shape }, copy, { window, classes: 2, mirrorAxes });
    first.forEach((value, i) => {
      expect(value).toBeCloseTo(image[i], 5);
      expect(second[i]).toBeCloseTo(-image[i], 5);
    });
  }
});

test('a voxel that several windows see is their mean, by weight', async () => {
  let number = 0;
  const constant = async (patch: Float32Array): Promise<Float32Array> => new Float32Array(patch.length).fill(number++);
  const [map] = await slidingWindow({ channels: [new Float32Array(12)], shape: [1, 1, 12] }, constant, { window: [1, 1, 8], classes: 1 });
  const weights = gaussianWeights([1, 1, 8]);
  expect(map[0]).toBe(0);
  expect(map[11]).toBe(1);
  expect(map[6]).toBeCloseTo(weights[2] / (weights[6] + weights[2]), 5);
});

test('mirroring twice changes nothing', () => {
  const patch = Float32Array.from({ length: 48 }, (_, i) => i);
  expect(mirror(patch, [2, 3, 4], [2]).slice(0, 4)).toEqual(Float32Array.of(3, 2, 1, 0));
  expect(mirror(mirror(patch, [2, 3, 4], [0, 2]), [2, 3, 4], [0, 2])).toEqual(patch);
});
