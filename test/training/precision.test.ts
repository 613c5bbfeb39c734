import { beforeAll, describe, expect, test } from 'vitest';
import { PatchLoader } from '../../src/loader/loader.ts';
import { storeConfiguration } from '../../src/store/store-configuration.ts';
import type { Precision } from '../../src/training/gpu/precision.ts';
import { tilingFor } from '../../src/training/gpu/tile.ts';
import { TrainingStep } from '../../src/training/training-step.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { openGpu } from './gpu.ts';
import { tinyStore } from './tiny-training.ts';

const gpu = await openGpu();
const STEPS = 200;
const PATCH = [8, 8, 8];
const BATCH = 2;
/** float16's unit roundoff. */
const HALF = 2 ** -11;
/** Convolutions between a voxel and its loss. Each rounds its weights and its result, besides the gradients that made the weights. */
const LAYERS = 5;

/** Losses of 200 steps on the same batches of real cases, in both precisions. */
const losses = {} as Record<Precision, number[]>;
beforeAll(async () => {
  const store = await tinyStore(temporaryFolder());
  const { network } = storeConfiguration(store);
  if (network === null) throw new Error('the plans have no network');
  await using loader = await PatchLoader.create({
    store,
    augmentation: 'default',
    seed: 3,
    workers: 1,
    fold: 0,
    patchSize: PATCH,
    batchSize: BATCH,
  });
  const shape = { network, patchSize: PATCH, batch: BATCH, channels: 1, classes: 3, heads: 1, batchDice: false, ignore: null };
  const precisions: Precision[] = ['float32', 'mixed'];
  const steps: TrainingStep[] = [];
  for (const precision of precisions) {
    const step = await TrainingStep.create(gpu, { ...shape, precision, tiling: tilingFor(gpu, precision) });
    step.load(step.unet.parameters.initial(0), null);
    losses[precision] = [];
    steps.push(step);
  }
  for (let i = 0; i < STEPS; i++) {
    using batch = await loader.next();
    for (const [k, step] of steps.entries()) {
      step.upload(batch.data, batch.targets);
      step.train(0.01);
      losses[precisions[k]].push(...(await step.results()).map(({ loss }) => loss));
    }
  }
  for (const step of steps) step.destroy();
}, 400_000);

const mean = (numbers: readonly number[]): number => numbers.reduce((sum, value) => sum + value, 0) / numbers.length;

describe('mixed precision on real batches', () => {
  test('learns', () => {
    expect(losses.mixed.length).toBe(STEPS);
    expect(mean(losses.mixed.slice(-20))).toBeLessThan(mean(losses.mixed.slice(0, 20)) - 0.2);
  });

  test('makes the losses of float32, but for what float16 rounds', () => {
    const apart = losses.mixed.map((loss, i) => loss - losses.float32[i]);
    expect(Math.max(...apart.map(Math.abs))).toBeLessThan(2 * LAYERS * HALF);
    // Rounding to nearest is to no side: what it does to one step is not there in the mean of many.
    for (let i = 0; i < STEPS; i += 20) expect(Math.abs(mean(apart.slice(i, i + 20)))).toBeLessThan(HALF);
    expect(apart.some((difference) => difference !== 0)).toBe(true);
  });
});
