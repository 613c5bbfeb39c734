import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { autotune } from '../../src/training/autotune.ts';
import { Gpu } from '../../src/training/gpu/device.ts';
import { tilingFor, tilingsFor } from '../../src/training/gpu/tile.ts';
import { TrainingStep } from '../../src/training/training-step.ts';
import { flatNetwork } from '../fixtures/networks.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
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
/** Other work on the machine is no reason to leave products out. */
const PATIENT = { seconds: 1000 };
let caches = 0;

beforeEach(() => {
  process.env.XDG_CACHE_HOME = join(dir, String(++caches));
});

test('what was measured is not measured again, for as long as products and shaders are the same', async () => {
  const first = await autotune(gpu, OPTIONS, PATIENT);
  expect(first.report).toMatchObject({ known: 0, measured: first.tilings.size, left: 0 });
  // Of whatever has its own shader.
  expect(new Set([...first.tilings.keys()].map((product) => product.split(',')[0]))).toEqual(
    new Set(['gather', 'scatter', 'scatter and add', 'weight gradient']),
  );
  const ways = tilingsFor(gpu, 'float32');
  for (const way of first.tilings.values()) expect(ways).toContainEqual(way);
  const again = await autotune(gpu, OPTIONS, PATIENT);
  expect(again.tilings).toEqual(first.tilings);
  expect(again.report).toMatchObject({ known: first.tilings.size, measured: 0, left: 0 });
  const other = await autotune(gpu, { ...OPTIONS, batch: 3 }, { seconds: 0 });
  expect(other.report.known).toBe(0);
  expect((await autotune(gpu, OPTIONS, PATIENT)).report.known).toBe(first.tilings.size);
});

test('what there was no time for is measured next time', async () => {
  const none = await autotune(gpu, OPTIONS, { seconds: 0 });
  expect(none.report).toMatchObject({ known: 0, measured: 0 });
  expect(none.report.left).toBeGreaterThan(5);
  expect(none.tilings.size).toBe(0);
  expect((await autotune(gpu, OPTIONS, PATIENT)).report).toMatchObject({ known: 0, measured: none.report.left, left: 0 });
});

test('a step with other tiles makes the same bits', async () => {
  const image = new Float32Array(192).map((_, i) => noise(1)(i));
  const labels = new Int16Array(192).map((_, i) => i % 2);
  const { tilings } = await autotune(gpu, OPTIONS, PATIENT);
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

test('a GPU that fails meanwhile is told of, and how to do without', async () => {
  const own = await Gpu.open();
  const stopwatch = async (): Promise<number> => {
    own.device.destroy();
    await own.done();
    return 1;
  };
  await expect(autotune(own, OPTIONS, { stopwatch })).rejects.toThrow(/the device was lost.* Turn `autotune` off, and report it/);
});
