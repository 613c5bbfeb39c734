import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { autotune } from '../../src/training/autotune.ts';
import { tilingFor, tilingsFor } from '../../src/training/gpu/tile.ts';
import { tileCacheFile } from '../../src/training/gpu/tile-cache.ts';
import { TrainingStep } from '../../src/training/training-step.ts';
import { flatNetwork } from '../fixtures/networks.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { Warnings } from '../fixtures/warnings.ts';
import { noise, openGpu } from './gpu.ts';

const gpu = await openGpu();
const dir = temporaryFolder();
const OPTIONS = {
  network: flatNetwork([3, 4]),
  patchSize: [8, 12],
  batch: 2,
  channels: 1,
  classes: 2,
  heads: 1,
  tiling: tilingFor(gpu, 'float32'),
};
let caches = 0;

beforeEach(() => {
  process.env.XDG_CACHE_HOME = join(dir, String(++caches));
});

test('what was measured is not measured again, for as long as products and shaders are the same', async () => {
  const first = await autotune(gpu, OPTIONS);
  expect(first.report).toMatchObject({ known: 0, measured: first.tilings.size, left: 0 });
  // Of whatever has its own shader.
  expect(new Set([...first.tilings.keys()].map((product) => product.split(',')[0]))).toEqual(
    new Set(['gather', 'scatter', 'scatter and add', 'weight gradient']),
  );
  const ways = tilingsFor(gpu, 'float32');
  for (const way of first.tilings.values()) expect(ways).toContainEqual(way);
  const again = await autotune(gpu, OPTIONS);
  expect(again.tilings).toEqual(first.tilings);
  expect(again.report).toMatchObject({ known: first.tilings.size, measured: 0, left: 0 });
  const other = await autotune(gpu, { ...OPTIONS, batch: 3 });
  expect(other.report.known).toBe(0);
  expect((await autotune(gpu, OPTIONS)).report.known).toBe(first.tilings.size);
});

test('what there was no time for is measured next time', async () => {
  const none = await autotune(gpu, OPTIONS, { seconds: 0 });
  expect(none.report).toMatchObject({ known: 0, measured: 0 });
  expect(none.report.left).toBeGreaterThan(5);
  expect(none.tilings.size).toBe(0);
  expect((await autotune(gpu, OPTIONS)).report).toMatchObject({ known: 0, measured: none.report.left, left: 0 });
});

test.each([
  ['{"fastest": ', /it is not JSON.*\. Tiles are measured again\.$/],
  ['{"fastest": {"gather": 3}}', /fastest.gather: .*3.*\. Tiles are measured again\.$/],
])('a cache that is damaged is a warning, and made anew: %s', async (text, message) => {
  const path = await tileCacheFile(gpu.adapter);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  using warnings = new Warnings();
  const { report } = await autotune(gpu, OPTIONS);
  expect(report.measured).toBeGreaterThan(5);
  expect(await warnings.seen()).toEqual([expect.stringMatching(message)]);
  expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ adapter: gpu.adapter, fastest: expect.any(Object) });
  expect((await autotune(gpu, OPTIONS)).report.measured).toBe(0);
});

test('a cache that cannot be written is a warning', async () => {
  writeFileSync(process.env.XDG_CACHE_HOME as string, 'a file');
  using warnings = new Warnings();
  expect((await autotune(gpu, OPTIONS)).report.measured).toBeGreaterThan(5);
  expect(await warnings.seen()).toEqual([expect.stringMatching(/Tiles are measured at every start, as long as this is so\.$/)]);
});

test('a step with other tiles makes the same bits', async () => {
  const image = new Float32Array(192).map((_, i) => noise(1)(i));
  const labels = new Int16Array(192).map((_, i) => i % 2);
  const { tilings } = await autotune(gpu, OPTIONS);
  const ways = tilingsFor(gpu, 'float32');
  const found = [];
  // As they were measured, then each product by another way than the usual.
  for (const tuned of [
    new Map(),
    tilings,
    new Map([...tilings.keys()].map((product, i) => [product, ways[1 + (i % (ways.length - 1))]])),
  ]) {
    const step = await TrainingStep.create(gpu, { ...OPTIONS, tuned, batchDice: true, ignore: null });
    step.load(step.unet.parameters.initial(1), null);
    for (let i = 0; i < 2; i++) {
      step.upload(image, [labels]);
      step.train(0.01);
    }
    found.push({ results: await step.results(), saved: await step.save() });
    step.destroy();
  }
  expect(found[1]).toEqual(found[0]);
  expect(found[2]).toEqual(found[0]);
});
