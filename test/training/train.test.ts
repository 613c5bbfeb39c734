import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type EpochReport,
  Predictor,
  readCheckpoint,
  readPlans,
  type Store,
  type TrainOptions,
  type TrainReport,
  type TrainStart,
  train,
  writeStore,
} from '../../src/index.ts';
import { adapterReport } from '../../src/training/gpu/adapter-report.ts';
import { EXAMPLES } from '../fixtures/paths.ts';
import { makeStore } from '../fixtures/store.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { tinyStore } from './tiny-training.ts';

const dir = temporaryFolder();
const QUICK = { disableTta: true };
const SMALL = { iterations: 3, validationIterations: 1, workers: 1, seed: 5, precision: 'float32' as const };
let store: Store;
const starts: TrainStart[] = [];
const told: EpochReport[] = [];
let whole: TrainReport;
let continued: TrainReport;
/** What the folder held when each epoch was told. */
const checkpoints: number[] = [];

beforeAll(async () => {
  store = await tinyStore(dir);
  const out = join(dir, 'model');
  whole = await train(store, { ...SMALL, out: join(dir, 'whole'), epochs: 3, saveEvery: 2 });
  const stop = new Error('enough');
  const options: TrainOptions = {
    ...SMALL,
    out,
    epochs: 3,
    onStart: (start) => starts.push(start),
    async onEpoch(report) {
      told.push(report);
      checkpoints.push(JSON.parse(readFileSync(join(out, 'checkpoint.json'), 'utf8')).epoch);
      if (report.epoch === 0) throw stop;
    },
  };
  await expect(train(store, options)).rejects.toBe(stop);
  const { iterations: _, validationIterations: __, seed: ___, precision: ____, ...rest } = options;
  process.env.XDG_CACHE_HOME = join(dir, 'cache');
  continued = await train(store, { ...rest, continue: true, autotune: true });
}, 400_000);

describe('train', () => {
  it('says before the first step what it trains, and on what', () => {
    expect(starts).toEqual([
      {
        gpu: whole.gpu,
        software: whole.software,
        precision: 'float32',
        bytes: expect.any(Number),
        // Never where it was not asked for and the GPU is a CPU in truth.
        tuning: starts[0].software ? null : expect.any(Object),
        configuration: '3d_fullres',
        patchSize: [16, 16, 16],
        batchSize: 2,
        training: 16,
        validation: 4,
        epoch: 0,
        epochs: 3,
      },
      expect.objectContaining({
        epoch: 1,
        epochs: 3,
        tuning: { known: 0, measured: expect.any(Number), left: expect.any(Number), seconds: expect.any(Number) },
      }),
    ]);
    expect(starts[0].bytes).toBeGreaterThan(0);
  });

  it('tells every epoch once, its checkpoint written', () => {
    expect(told.map(({ epoch, losses }) => [epoch, losses.length])).toEqual([
      [0, 3],
      [1, 3],
      [2, 3],
    ]);
    expect(checkpoints).toEqual([1, 2, 3]);
    expect(readdirSync(join(dir, 'whole')).sort()).toEqual(readdirSync(join(dir, 'model')).sort());
  });

  it('ended by onEpoch and continued, makes the losses of a training that was not', () => {
    const losses = (report: TrainReport) =>
      report.epochs.map(({ losses, validationLoss, learningRate }) => ({ losses, validationLoss, learningRate }));
    expect(losses(continued)).toEqual(losses(whole));
    expect(continued).toMatchObject({ dir: join(dir, 'model'), gpu: whole.gpu });
  });

  it('continued to an end that is reached trains no more', async () => {
    const { epochs } = await train(store, { out: join(dir, 'model'), continue: true, epochs: 3, workers: 1 });
    expect(epochs).toEqual(continued.epochs);
  });

  it('takes the precision that suits the GPU', async () => {
    const { precision } = await adapterReport();
    const out = join(dir, 'precision');
    const { precision: _, ...options } = SMALL;
    await train(store, { ...options, out, iterations: 1, epochs: 1, onStart: (start) => starts.push(start) });
    expect(starts.at(-1)?.precision).toBe(precision);
    expect(JSON.parse(readFileSync(join(out, 'checkpoint.json'), 'utf8')).options.precision).toBe(precision);
  });

  it('leaves validation out where it has no steps', async () => {
    const { epochs } = await train(store, { ...SMALL, out: join(dir, 'unvalidated'), epochs: 1, validationIterations: 0, fold: 'all' });
    expect(epochs).toMatchObject([{ validationLoss: null, pseudoDice: null, movingDice: null, best: false }]);
    await expect(Predictor.open(join(dir, 'unvalidated'), { checkpoint: 'best' })).rejects.toThrow(/it has no best network/);
  });

  it("keeps the network of the epoch with the highest moving mean of its pseudo-Dice, nnU-Net's rule, whatever was continued", async () => {
    let moving = 0;
    for (const [i, { pseudoDice, movingDice }] of whole.epochs.entries()) {
      const known = (pseudoDice ?? []).filter((dice) => dice !== null);
      const mean = known.reduce((sum, dice) => sum + dice, 0) / known.length;
      moving = i === 0 ? mean : 0.9 * moving + 0.1 * mean;
      expect(movingDice).toBeCloseTo(moving, 12);
    }
    const all = whole.epochs.map(({ movingDice }) => movingDice as number);
    const best = all.indexOf(Math.max(...all)) + 1;
    for (const model of ['whole', 'model']) {
      const checkpoint = await readCheckpoint(join(dir, model));
      expect(checkpoint?.best).toEqual({ epoch: best, movingDice: all[best - 1], network: `network-${best}.safetensors` });
      expect(readdirSync(join(dir, model))).toContain(`network-${best}.safetensors`);
    }
    expect(whole.epochs.map((epoch) => epoch.best)).toEqual(all.map((value, i) => all.slice(0, i).every((other) => other < value)));
    const image = [join(EXAMPLES, 'imagesTr/hippocampus_001_0000.nii.gz')];
    using predictor = await Predictor.open(join(dir, 'whole'), { checkpoint: 'best' });
    using same = await Predictor.open(join(dir, 'model'), { checkpoint: 'best' });
    expect(await predictor.predict(image, QUICK)).toEqual(await same.predict(image, QUICK));
  });

  it('writes what predicts', async () => {
    using predictor = await Predictor.open(join(dir, 'model'));
    const labels = await predictor.predict([join(EXAMPLES, 'imagesTr/hippocampus_001_0000.nii.gz')], QUICK);
    expect(labels.every((label) => [0, 1, 2].includes(label))).toBe(true);
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['no folder', { out: '' }, /out: "" is not the path of a folder/],
    ['half an epoch', { epochs: 0.5 }, /epochs: 0\.5 is not a whole number from 1 to/],
    ['another precision', { precision: 'half' }, /precision: "half" is not known/],
    ['no steps', { iterations: 0 }, /iterations: 0 is not a whole number from 1/],
    ['fewer than no validation steps', { validationIterations: -1 }, /validationIterations: -1 is not a whole number from 0/],
    ['a rate of 0', { learningRate: 0 }, /learningRate: 0 is not a number above 0/],
    ['a checkpoint every 0 epochs', { saveEvery: 0 }, /saveEvery: 0 is not a whole number from 1/],
    ['several configurations', { configs: [{ config: '3d_fullres' }] }, /configs: there is no such option/],
    ['a validation of its own', { validation: true }, /validation: there is no such option/],
    ['masks for targets', { regions: true }, /regions: there is no such option/],
    ['a fold that is not there', { fold: 9 }, /fold: .*splits_final\.json has no fold 9/],
    ['a configuration that is not there', { config: '2d' }, /there is no configuration "2d"/],
    ['nothing to continue', { continue: true }, /there is no checkpoint\.json to continue from/],
    ['what is there already', { out: 'model' }, /it holds a training of 3 epochs\. Go on with `continue`/],
    ['other steps than before', { out: 'model', continue: true, iterations: 4 }, /iterations: the checkpoint was trained with 3, not 4/],
    [
      'other numbers than before',
      { out: 'model', continue: true, precision: 'mixed' },
      /precision: the checkpoint was trained with float32, not mixed/,
    ],
  ])('refuses %s', async (_, change, message) => {
    const out = change.out === '' ? '' : join(dir, (change.out as string) ?? 'refused');
    await expect(train(store, { epochs: 1, workers: 1, ...change, out } as TrainOptions)).rejects.toThrow(message);
  });

  it('refuses a store without plans, and labels that it cannot learn', async () => {
    const options = { out: join(dir, 'refused'), fold: 'all' as const, workers: 1 };
    const shapes: [number, number, number][] = [[16, 16, 16]];
    const bare = await makeStore(join(dir, 'bare'), { shapes });
    await expect(train(bare, options)).rejects.toThrow(/the store has no plans/);
    const content = {
      name: 'own',
      channels: ['MRI'],
      plans: await readPlans(join(dir, 'plans.json')),
      cases: [{ id: 'a', shape: shapes[0], image: new Float32Array(4096), segmentation: new Int8Array(4096).fill(2, 0, 99) }],
    };
    const gap = await writeStore(join(dir, 'gap'), { ...content, labels: { background: 0, two: 2 } });
    await expect(train(gap, options)).rejects.toThrow(/its labels are 0, 2, not 0, 1, 2/);
  });
});
