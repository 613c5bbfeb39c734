import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { PipelineStep } from '../../src/augmentation/transforms/index.ts';
import { OptionError, StateError } from '../../src/common/errors.ts';
import type { Triple } from '../../src/common/geometry.ts';
import type { Batch } from '../../src/loader/batch.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import type { LoaderOptions } from '../../src/loader/options/options.ts';
import type { LoaderState, ResumeOptions } from '../../src/loader/options/state.ts';
import { replay } from '../../src/loader/replay.ts';
import { augmentationPairs } from '../../src/pictures/augmentation-pairs.ts';
import type { TargetArray } from '../../src/shared-memory/target-array.ts';
import { writePrevious } from '../fixtures/previous-stage.ts';
import { makeStore } from '../fixtures/store.ts';
import { streamHashes } from '../fixtures/stream.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const SHAPES: Triple[] = Array.from({ length: 6 }, () => [20, 24, 28]);
const TUMOUR = [0, 1, 4];

/** An organ in every case; in three of them a tumour at its rim. */
function label(caseNumber: number, z: number, y: number, x: number): number {
  const within = (low: number, high: number): boolean => [z, y, x].every((at) => at >= low && at < high);
  if (TUMOUR.includes(caseNumber) && within(6, 10)) return 2;
  return within(6, 16) ? 1 : 0;
}

const dir = temporaryFolder();
const store = await makeStore(join(dir, 'store'), { shapes: SHAPES, labels: { background: 0, organ: 1, tumour: 2 }, label });
const previousStage = writePrevious(join(dir, 'previous'), store);
const ids = (numbers: number[]): string[] => numbers.map((number) => store.cases[number].id);
/** Tumour: in both parts of fold 0, for validation alone in fold 1, in training alone in fold 2. */
const SPLITS = [
  { train: ids([0, 1, 2, 3]), val: ids([4, 5]) },
  { train: ids([2, 3]), val: ids([0, 1, 4, 5]) },
  { train: ids([0, 1, 4]), val: ids([2, 3, 5]) },
];
writeFileSync(join(store.dir, 'splits_final.json'), JSON.stringify(SPLITS));

const DEEP = { patchSize: [6, 8, 10], batchSize: 5, weight: 2 };
const FLAT = { patchSize: [8, 10], batchSize: 12, weight: 1 };
const MIXED: LoaderOptions = { store, configs: [DEEP, FLAT], seed: 7, workers: 2 };
const EVERYTHING: LoaderOptions = {
  ...MIXED,
  configs: [
    { ...DEEP, exposure: { tumour: 0.5 } },
    {
      ...FLAT,
      oversample: [
        [0, 1],
        [4, 0],
      ],
      caseWeights: { case_000: 3 },
    },
  ],
  fold: 0,
  validation: true,
  augmentation: 'default',
  previousStage,
};

interface Sample {
  config: string;
  key: string;
  plan: unknown;
  data: Float32Array;
  target: TargetArray;
}

const samplesOf = ({ config, keys, plans, data, target }: Batch): Sample[] =>
  plans.map((plan, slot) => {
    const part = <T extends Float32Array | TargetArray>(array: T): T =>
      array.slice((slot * array.length) / plans.length, ((slot + 1) * array.length) / plans.length) as T;
    return { config, key: keys[slot], plan, data: part(data), target: part(target) };
  });

/** The samples of the first batches of both streams, batch by batch. */
async function look(options: LoaderOptions, batches: number): Promise<Sample[][]> {
  await using loader = await PatchLoader.create(options);
  const seen: Sample[][] = [];
  for (let i = 0; i < batches; i++) {
    for (const stream of options.validation ? [loader, loader.validation] : [loader]) {
      using batch = await stream.next();
      seen.push(samplesOf(batch));
    }
  }
  return seen;
}

async function hashesOf(options: LoaderOptions, count: number): Promise<string[]> {
  await using loader = await PatchLoader.create(options);
  return await streamHashes(loader, count);
}

const holding = (samples: Sample[], value: number): number =>
  samples.filter(({ target }) => target.includes(value)).length / samples.length;

describe('ranks of a mixed loader with validation', () => {
  it('each make their part of every batch of both streams: together those of a single process', async () => {
    const whole = await look(EVERYTHING, 6);
    const parts = await Promise.all(
      [0, 1, 2].map((rank) => look({ ...EVERYTHING, rank, worldSize: 3, workers: 1, maxMemoryBytes: 2 ** 30 }, 6)),
    );
    expect(parts.map((batches) => batches.slice(0, 6).map(({ length }) => length))).toEqual([
      // 3D, its validation, 2D, its validation, …: nnU-Net's split of 5 and of 12.
      [2, 2, 4, 4, 2, 2],
      [2, 2, 4, 4, 2, 2],
      [1, 1, 4, 4, 1, 1],
    ]);
    expect(whole.map((_, batch) => parts.flatMap((batches) => batches[batch]))).toEqual(whole);
  });

  it('name the configuration whose batch is too small', async () => {
    await expect(PatchLoader.create({ ...MIXED, rank: 0, worldSize: 6 })).rejects.toThrow(
      /configs\[0\].worldSize: a batch of 5 cannot be split among 6 processes/,
    );
  });
});

describe('the exposure of a configuration', () => {
  it('is met in its batches, reported of them, and leaves those of others alone', async () => {
    const options: LoaderOptions = { ...MIXED, configs: [DEEP, { ...FLAT, batchSize: 40, exposure: { tumour: 0.6 } }] };
    await using loader = await PatchLoader.create(options);
    const flat: Sample[] = [];
    const deep: string[] = [];
    const [plain, exposed] = [await hashesOf(MIXED, 90), await hashesOf(options, 90)];
    for (let i = 0; i < 90; i++) {
      using batch = await loader.next();
      if (batch.config === '8x10') flat.push(...samplesOf(batch));
      else deep.push(exposed[i]);
    }
    expect(deep.length).toBe(60);
    expect(plain.filter((hash) => deep.includes(hash))).toEqual(deep);
    expect(Math.abs(holding(flat, 2) - 0.6)).toBeLessThan(0.03);
    const { tumour } = loader.metrics().exposure;
    expect(tumour.target).toBe(0.6);
    expect(tumour.realised).toBeCloseTo(holding(flat, 2), 12);
  });

  it('may differ: the report has the mean of what was wanted', async () => {
    const configs = [
      { ...DEEP, exposure: { tumour: 0.8 } },
      { ...FLAT, batchSize: 5, exposure: { tumour: 0.5, organ: 0.9 } },
    ];
    await using loader = await PatchLoader.create({ ...MIXED, configs });
    expect(loader.metrics().exposure.tumour).toEqual({ target: 0.8, realised: 0 });
    await streamHashes(loader, 60);
    const { tumour, organ } = loader.metrics().exposure;
    expect(tumour.target).toBeCloseTo(0.7, 12);
    expect(organ.target).toBe(0.9);
    expect(Math.abs(tumour.realised - 0.7)).toBeLessThan(0.06);
  });

  it('says which configuration cannot have it', async () => {
    const impossible = { ...MIXED, configs: [DEEP, { ...FLAT, exposure: { organ: 0.001 } }] };
    await expect(PatchLoader.create(impossible)).rejects.toThrow(/configs\[1\].exposure: 0.1 % of organ is too little/);
    await expect(PatchLoader.create({ ...MIXED, exposure: { liver: 0.5 } })).rejects.toThrow(
      /configs\[0\].exposure.liver: the data set has no/,
    );
  });
});

describe('a fold', () => {
  const options: LoaderOptions = { store, patchSize: [6, 8, 10], batchSize: 20, seed: 7, workers: 2, fold: 0 };

  it('is what exposures are measured on, drawn from and met in, for training and validation', async () => {
    await using loader = await PatchLoader.create({ ...options, validation: true, exposure: { tumour: 0.4 } });
    for (const [stream, part] of [
      [loader.training, 'train'],
      [loader.validation, 'val'],
    ] as const) {
      const samples: Sample[] = [];
      for (let i = 0; i < 50; i++) {
        using batch = await stream.next();
        samples.push(...samplesOf(batch));
      }
      expect([...new Set(samples.map(({ key }) => key))].sort()).toEqual(SPLITS[0][part]);
      expect(Math.abs(holding(samples, 2) - 0.4), part).toBeLessThan(0.03);
      expect(stream.metrics().exposure.tumour.realised).toBeCloseTo(holding(samples, 2), 12);
    }
  });

  it('must hold the class', async () => {
    await expect(PatchLoader.create({ ...options, fold: 1, exposure: { tumour: 0.4 } })).rejects.toThrow(
      /^exposure.tumour: no case that is drawn from has this class. Leave it out; `fold` and `caseWeights` say/,
    );
    const trained: LoaderOptions = { ...options, fold: 2, exposure: { tumour: 0.9 } };
    await expect(PatchLoader.create({ ...trained, validation: true })).rejects.toThrow(
      /^validation.exposure.tumour: no case that is drawn/,
    );
    // Then validation goes without, as nnU-Net's: a third of each batch is forced.
    await using loader = await PatchLoader.create({ ...trained, validation: { exposure: null } });
    using batch = await loader.validation.next();
    expect(batch.plans.filter(({ forced }) => forced).length).toBe(7);
    expect(loader.validation.metrics().exposure).toEqual({});
    const state = JSON.parse(JSON.stringify(loader.state()));
    const rest = await streamHashes(loader.validation, 2);
    await using later = await PatchLoader.create({ store, state });
    expect(await streamHashes(later.validation, 2)).toEqual(rest);
    await expect(PatchLoader.create({ store, state, validation: { exposure: { organ: 0.9 } } })).rejects.toThrow(StateError);
  });

  it('of validation alone goes with any oversampling of training, from a state too', async () => {
    await using loader = await PatchLoader.create({ ...options, fold: 1, oversample: 1, validation: { exposure: { organ: 0.9 } } });
    using batch = await loader.next();
    expect(batch.plans.every(({ forced }) => forced)).toBe(true);
    using validated = await loader.validation.next();
    expect(validated.plans.some(({ forced }) => !forced)).toBe(true);
    expect(loader.validation.metrics().exposure.organ.target).toBe(0.9);
    const state = JSON.parse(JSON.stringify(loader.state()));
    const rest = [await streamHashes(loader, 2), await streamHashes(loader.validation, 2)];
    await using later = await PatchLoader.create({ store, state });
    expect([await streamHashes(later, 2), await streamHashes(later.validation, 2)]).toEqual(rest);
  });

  it('must have cases with a weight', async () => {
    const caseWeights = { case_002: 0, case_003: 0 };
    await expect(PatchLoader.create({ ...options, fold: 1, caseWeights })).rejects.toThrow(
      /caseWeights: they are 0 for all 2 cases of the fold that are drawn from/,
    );
    const weighted = await look({ ...options, caseWeights }, 10);
    expect(new Set(weighted.flat().map(({ key }) => key))).toEqual(new Set(ids([0, 1])));
  });
});

describe('a cascade', () => {
  const options: LoaderOptions = {
    store,
    patchSize: [6, 8, 10],
    batchSize: 4,
    seed: 7,
    workers: 2,
    fold: 0,
    validation: true,
    previousStage,
  };

  it.each(['none', 'default'] as const)('has its channels in validation, too, with augmentation %s', async (augmentation) => {
    await using loader = await PatchLoader.create({ ...options, augmentation });
    using batch = await loader.validation.next();
    expect(batch.dataShape).toEqual([4, 3, 6, 8, 10]);
    for (const [slot, { data }] of samplesOf(batch).entries()) {
      const { lower } = batch.plans[slot].crop;
      for (const [i, at] of [0, 5].entries()) expect(data[480 + at * 80], `plane ${i}`).toBe(Number((at + lower[0]) % 2 === 0));
      expect(data[960]).toBe(1 - data[480]);
    }
    // As training: with 'none', patches are what is stored, and -1 stays where it is.
    expect(batch.plans.map(({ operations }) => operations.map(({ transform }) => transform))[0]).toEqual(
      augmentation === 'none' ? ['oneHot'] : expect.arrayContaining(['replaceLabel', 'oneHot']),
    );
  });
});

const { previousStage: _, ...SCHEDULED } = EVERYTHING;

describe('a schedule of the oversampled fraction', () => {
  it('counts the batches of its own configuration and stream', async () => {
    await using loader = await PatchLoader.create({ ...SCHEDULED, augmentation: 'none' });
    const forced: Record<string, number[]> = { training: [], validation: [] };
    for (let i = 0; i < 18; i++) {
      using trained = await loader.next();
      if (trained.config === '8x10') forced.training.push(trained.plans.filter((plan) => plan.forced).length);
      if (i % 2 > 0) continue;
      using validated = await loader.validation.next();
      if (validated.config === '8x10') forced.validation.push(validated.plans.filter((plan) => plan.forced).length);
    }
    expect(forced).toEqual({ training: [12, 9, 6, 3, 0, 0], validation: [12, 9, 6] });
  });
});

/** A state of rank 1 of 2, before the first batch. */
async function savedState(): Promise<LoaderState> {
  await using loader = await PatchLoader.create({ ...EVERYTHING, rank: 1, worldSize: 2 });
  return JSON.parse(JSON.stringify(loader.state()));
}

const saved = await savedState();

describe('everything at once', () => {
  it('goes on from a state, on any rank, with other workers', async () => {
    const [whole, validated] = [await hashesOf({ ...EVERYTHING, rank: 1, worldSize: 2 }, 9), [] as string[]];
    await using first = await PatchLoader.create({ ...EVERYTHING, rank: 1, worldSize: 2 });
    expect(await streamHashes(first, 4)).toEqual(whole.slice(0, 4));
    validated.push(...(await streamHashes(first.validation, 5)));
    const state = JSON.parse(JSON.stringify({ ...first.state(), validation: { ...first.state().validation, nextBatch: 2 } }));
    await using second = await PatchLoader.create({ store, state, rank: 1, workers: 1, previousStage });
    expect(await streamHashes(second, 5)).toEqual(whole.slice(4));
    expect(await streamHashes(second.validation, 3)).toEqual(validated.slice(2));
    // The same options again are no contradiction.
    await using third = await PatchLoader.create({ ...EVERYTHING, state, rank: 1, worldSize: 2 });
    expect(await streamHashes(third, 2)).toEqual(whole.slice(4, 6));
    expect(third.state()).toEqual({ ...second.state(), nextBatch: 6, validation: { ...second.state().validation, nextBatch: 2 } });
  });

  it.each([
    ['no rank', { rank: undefined }, /which of the 2 processes/],
    ['another world', { rank: 0, worldSize: 3 }, /saved with worldSize 2, the options say 3/],
    ['no previous stage', { previousStage: undefined }, /no previous stage. Give `previousStage` too/],
    ['another fold', { fold: 2 }, /saved with fold 0, the options say 2/],
    ['another exposure', { configs: [{ ...DEEP, exposure: { tumour: 0.6 } }, FLAT] }, /saved with configs\[0\].exposure/],
    ['other weights of cases', { caseWeights: { case_001: 2 } }, /saved with configs\[0\].caseWeights null/],
  ] as [string, object, RegExp][])('does not go on with %s', async (_, other, message) => {
    const options = { store, state: saved, rank: 1, previousStage, ...other } as ResumeOptions;
    await expect(PatchLoader.create(options)).rejects.toThrow(message);
  });

  it('is replayed, of both configurations and streams', async () => {
    await using loader = await PatchLoader.create(EVERYTHING);
    for (const [stream, validation] of [
      [loader.training, false],
      [loader.validation, true],
    ] as const) {
      for (let i = 0; i < 3; i++) {
        using batch = await stream.next();
        const slot = batch.plans.length - 1;
        const { plan, after } = await replay(EVERYTHING, batch.plans[slot].sample, { config: batch.config, validation });
        const sample = samplesOf(batch)[slot];
        expect(plan).toEqual(sample.plan);
        expect(after.data).toEqual(sample.data);
        expect(after.targets[0]).toEqual(sample.target);
      }
    }
    const { state, ...rest } = { ...EVERYTHING, state: loader.state() };
    const again = await replay({ store, previousStage, state }, 3, { config: '8x10' });
    expect(again).toEqual(await replay(rest, 3, { config: '8x10' }));
  });

  it('is not replayed where it is not said what', async () => {
    await expect(replay(EVERYTHING, 3)).rejects.toThrow(
      /config: the stream mixes 6x8x10, 8x10, whose samples are counted apart. Say of which/,
    );
    await expect(replay(EVERYTHING, 3, { config: '2d' })).rejects.toThrow(/config: the stream has no configuration 2d/);
    await expect(replay({ ...MIXED, configs: [FLAT, FLAT] }, 3, { config: '8x10' })).rejects.toThrow(/has 2 configurations 8x10/);
    await expect(replay(MIXED, 3, { config: '8x10', validation: true })).rejects.toThrow(OptionError);
  });
});

describe('the sheet of an augmentation', () => {
  it('shows the steps with whatever else decides samples', async () => {
    const { configs: _, ...others } = EVERYTHING;
    const options: LoaderOptions = {
      ...others,
      patchSize: [6, 8, 10],
      batchSize: 2,
      augmentation: [
        { transform: 'spatial', rotation: [-0.5, 0.5], rotationProbability: 0.2 },
        { transform: 'brightness', probability: 0.1 },
        { transform: 'oneHot', labels: [1, 2] },
      ] as PipelineStep[],
      exposure: { tumour: 0.5 },
      rank: 1,
      worldSize: 2,
    };
    const rows = await augmentationPairs(options);
    expect(rows.map(({ title, pairs }) => [title, pairs.length])).toEqual([
      ['rotation', 4],
      ['scaling', 4],
      ['brightness', 4],
    ]);
    for (const { before, after, caption } of rows[2].pairs) {
      expect(caption).toMatch(/\d/);
      expect(after.image).not.toEqual(before.image);
      expect(after.target).toEqual(before.target);
    }
    await expect(augmentationPairs(EVERYTHING)).rejects.toThrow(/configs: the steps of one configuration are shown/);
  });
});
