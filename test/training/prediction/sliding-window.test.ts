import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Triple } from '../../../src/common/geometry.ts';
import {
  type Channels,
  gaussianWeights,
  slidingWindow,
  type WindowOptions,
  windowBytes,
  windowStarts,
} from '../../../src/training/prediction/sliding-window.ts';

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

test('weights are those of nnU-Net, bit by bit', () => {
  const recorded = readFileSync(join(import.meta.dirname, '../nnunet/gaussian.f32'));
  expect(gaussianWeights([7, 24, 32])).toEqual(new Float32Array(Uint8Array.from(recorded).buffer));
});

type Predict = Parameters<typeof slidingWindow>[1];

/** The planes of all classes, joined to volumes. */
async function whole(volume: Channels, predict: Predict, options: WindowOptions): Promise<number[][]> {
  const maps: number[][] = Array.from({ length: options.classes }, () => []);
  for await (const plane of slidingWindow(volume, predict, options)) for (const [c, map] of plane.entries()) maps[c].push(...map);
  return maps;
}

/** Logits that are functions of the image: the image itself, and its negative. */
const copy = async (patch: Float32Array): Promise<Float32Array> => Float32Array.from([...patch, ...patch.map((value) => -value)]);

test.each<[string, Triple, Triple]>([
  ['larger than a window', [9, 13, 8], [4, 6, 8]],
  ['much higher than a window', [23, 5, 8], [4, 4, 8]],
  ['smaller than a window', [3, 5, 6], [4, 8, 8]],
  ['slices', [3, 9, 10], [1, 8, 8]],
])('logits come out where they belong: volumes %s', async (_, shape, window) => {
  const image = Float32Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, i) => Math.sin(i));
  const [first, second] = await whole({ channels: [image], shape }, copy, { window, classes: 2 });
  expect(first.length).toBe(image.length);
  first.forEach((value, i) => {
    expect(value).toBeCloseTo(image[i], 5);
    expect(second[i]).toBeCloseTo(-image[i], 5);
  });
});

test('a voxel that several windows see is their mean, by weight', async () => {
  let number = 0;
  const constant = async (patch: Float32Array): Promise<Float32Array> => new Float32Array(patch.length).fill(number++);
  const shape: Triple = [1, 1, 12];
  const [map] = await whole({ channels: [new Float32Array(12)], shape }, constant, { window: [1, 1, 8], classes: 1 });
  const weights = gaussianWeights([1, 1, 8]);
  expect(map[0]).toBe(0);
  expect(map[11]).toBe(1);
  expect(map[6]).toBeCloseTo(weights[2] / (weights[6] + weights[2]), 5);
});

test('windows along the first axis are joined by weight, too, and each is told', async () => {
  let number = 0;
  const told: [number, number][] = [];
  const constant = async (patch: Float32Array): Promise<Float32Array> => new Float32Array(patch.length).fill(number++);
  const [map] = await whole({ channels: [new Float32Array(20)], shape: [20, 1, 1] }, constant, {
    window: [8, 1, 1],
    classes: 1,
    onWindow: (done, total) => told.push([done, total]),
  });
  const weights = gaussianWeights([8, 1, 1]);
  // They begin at 0, 4, 8 and 12.
  expect(map[9]).toBeCloseTo((1 * weights[5] + 2 * weights[1]) / (weights[5] + weights[1]), 5);
  expect(map[13]).toBeCloseTo((2 * weights[5] + 3 * weights[1]) / (weights[5] + weights[1]), 5);
  expect(told).toEqual([1, 2, 3, 4].map((done) => [done, 4]));
});

test('memory does not grow with the number of planes', async () => {
  const [classes, area] = [40, 48 * 48];
  const options = (shape: Triple) => ({ volume: { channels: [new Float32Array(shape[0] * area)], shape }, window: [8, 48, 48] as Triple });
  const { volume, window } = options([300, 48, 48]);
  const bytes = windowBytes(volume.shape, 1, { window, classes });
  expect(bytes).toBe(windowBytes([60, 48, 48], 1, { window, classes }));
  const logits = 4 * classes * 300 * area;
  expect(bytes).toBeLessThan(logits / 10);

  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  let planes = 0;
  const found = new Float32Array(classes * 8 * area);
  for await (const plane of slidingWindow(volume, async () => found, { window, classes })) {
    planes += Number(plane.length === classes);
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  expect(planes).toBe(300);
  // What is garbage is not collected at once.
  expect(most).toBeLessThan(logits / 2);
});

test('a window that fails ends it, and a window ahead leaves nothing behind', async () => {
  let number = 0;
  const failing = async (patch: Float32Array): Promise<Float32Array> => {
    if (number++ > 0) throw new Error('lost');
    return patch;
  };
  const run = whole({ channels: [new Float32Array(20)], shape: [20, 1, 1] }, failing, { window: [8, 1, 1], classes: 1 });
  await expect(run).rejects.toThrow('lost');
  expect(number).toBe(2);
});
