import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { PatchLoader } from '../../src/loader/loader.ts';
import type { Store } from '../../src/store/store.ts';
import { storeConfiguration } from '../../src/store/store-configuration.ts';
import { type Checkpoint, readCheckpoint } from '../../src/training/checkpoint.ts';
import { PRECISIONS, type Precision } from '../../src/training/gpu/precision.ts';
import { Trainer } from '../../src/training/trainer.ts';
import { DEFAULTS, type EpochReport, type TrainingOptions } from '../../src/training/training-options.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { tinyStore } from './tiny-training.ts';

const dir = temporaryFolder();
let store: Store;
let options: TrainingOptions;
/** The loader and the trainer of one run; `from` continues a checkpoint. */
async function start(model: string, from: Checkpoint | null, change: Partial<TrainingOptions> = {}) {
  const loader = await PatchLoader.create({
    store,
    augmentation: 'default',
    deepSupervision: true,
    seed: 3,
    workers: 1,
    fold: 0,
    validation: true,
    ...(from && { state: from.batches }),
  });
  try {
    const trainer = await Trainer.create({ ...options, ...change }, loader, from && { dir: model, checkpoint: from });
    return { trainer, close: () => trainer.close().then(() => loader.close()) };
  } catch (error) {
    await loader.close();
    throw error;
  }
}

/** Three epochs, and the third again from the checkpoint of the second. */
interface Run {
  model: string;
  whole: EpochReport[];
  continued: EpochReport;
}

async function run(precision: Precision): Promise<Run> {
  const model = join(dir, precision);
  const uninterrupted = await start(model, null, { precision });
  const whole = [await uninterrupted.trainer.epoch(), await uninterrupted.trainer.epoch()];
  await uninterrupted.trainer.save(model);
  whole.push(await uninterrupted.trainer.epoch());
  await uninterrupted.close();
  const checkpoint = await readCheckpoint(model);
  const again = await start(model, checkpoint, checkpoint?.options);
  expect(again.trainer.epochs).toBe(2);
  expect(again.trainer.precision).toBe(precision);
  const continued = await again.trainer.epoch();
  await again.close();
  return { model, whole, continued };
}

const runs = {} as Record<Precision, Run>;
beforeAll(async () => {
  store = await tinyStore(dir);
  const { network, batchDice, name, patchSize, batchSize } = storeConfiguration(store);
  if (network === null) throw new Error('the plans have no network');
  options = {
    ...DEFAULTS,
    precision: 'float32',
    configuration: name,
    network,
    patchSize,
    batch: batchSize,
    channels: 1,
    classes: 3,
    ignore: null,
    batchDice,
    scales: 1,
    epochs: 3,
    iterations: 30,
    validationIterations: 2,
  };
  for (const precision of PRECISIONS) runs[precision] = await run(precision);
}, 400_000);

describe.each(PRECISIONS)('in %s', (precision) => {
  test('on real cases the loss falls', () => {
    const { whole } = runs[precision];
    const losses = whole.flatMap(({ losses }) => losses);
    expect(losses.length).toBe(90);
    expect(losses.every(Number.isFinite)).toBe(true);
    const mean = (part: number[]): number => part.reduce((a, b) => a + b, 0) / part.length;
    expect(mean(losses.slice(-20))).toBeLessThan(mean(losses.slice(0, 20)) - 0.2);
    expect(whole[2].validationLoss as number).toBeLessThan(losses[0] - 0.2);
  });

  test('what continues from a checkpoint makes the very losses of the run that was not interrupted', () => {
    const { whole, continued } = runs[precision];
    expect(continued.losses).toEqual(whole[2].losses);
    expect(continued.gradientNorms).toEqual(whole[2].gradientNorms);
    expect(continued.validationLoss).toBe(whole[2].validationLoss);
    expect(continued.pseudoDice).toEqual(whole[2].pseudoDice);
    expect(continued.learningRate).toBe(whole[2].learningRate);
  });

  test('the checkpoint says the precision, and the scale of gradients where there is one', async () => {
    const checkpoint = (await readCheckpoint(runs[precision].model)) as Checkpoint;
    expect(checkpoint.options.precision).toBe(precision);
    if (precision === 'float32') expect(checkpoint.lossScale).toBeNull();
    else expect(checkpoint.lossScale?.steps).toBeGreaterThan(0);
  });
});

test('an epoch reports what it took, and who was waited for', () => {
  for (const { patchesPerSecond, stepMs, waitFraction, pseudoDice, boundBy } of runs.float32.whole) {
    expect(patchesPerSecond).toBeGreaterThan(0);
    expect(stepMs).toBeGreaterThan(0);
    expect(waitFraction).toBeGreaterThanOrEqual(0);
    expect(waitFraction).toBeLessThanOrEqual(1);
    expect(['GPU', 'loader']).toContain(boundBy);
    expect(pseudoDice?.length).toBe(2);
  }
});

test('a network that does not fit the checkpoint is refused by the name of the tensor', async () => {
  const checkpoint = (await readCheckpoint(runs.float32.model)) as Checkpoint;
  const network = { ...options.network, features: [4, 6] };
  await expect(start(runs.float32.model, checkpoint, { network })).rejects.toThrow(
    /network-2\.safetensors: encoder\.stages\.1\.0\.convs\.0\.conv\.weight has shape 8,4,3,3,3, the network wants 6,4,3,3,3/,
  );
});

test('a cut-off file of weights is refused', async () => {
  const { model } = runs.float32;
  const checkpoint = (await readCheckpoint(model)) as Checkpoint;
  const path = join(model, checkpoint.files.network);
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.subarray(0, bytes.length - 10));
  await expect(start(model, checkpoint)).rejects.toThrow(/network-2\.safetensors: it ends before its last value/);
  writeFileSync(path, bytes);
});

test('a loader without a validation stream is refused where there are validation steps', async () => {
  await using loader = await PatchLoader.create({ store, augmentation: 'default', deepSupervision: true, workers: 1 });
  await using trainer = await Trainer.create({ ...options, iterations: 1 }, loader);
  await expect(trainer.epoch()).rejects.toThrow(/validation: the loader has no validation stream/);
});
