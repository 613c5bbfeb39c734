import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Triple } from '../../src/common/geometry.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import type { LoaderOptions } from '../../src/loader/options/options.ts';
import type { Store } from '../../src/store/store.ts';
import { faultyLoader, forgetFaults } from '../fixtures/faulty-loader.ts';
import { LiveWorkers } from '../fixtures/live-workers.ts';
import { loaderFixture } from '../fixtures/loader.ts';
import { makeStore } from '../fixtures/store.ts';
import { streamHashes } from '../fixtures/stream.ts';

const SHAPES: Triple[] = [
  [12, 20, 17],
  [9, 11, 30],
  [16, 16, 16],
  [10, 14, 12],
  [11, 13, 15],
  [12, 12, 12],
];
const { dir, store, options } = await loaderFixture({ shapes: SHAPES });
const ids = (numbers: number[]): string[] => numbers.map((number) => store.cases[number].id);
const SPLITS = [
  { train: ids([0, 1, 3, 4]), val: ids([2, 5]) },
  { train: ids([2, 5]), val: ids([0, 1, 3, 4]) },
];
const writeSplits = (splits: unknown, to: Store = store): void => writeFileSync(join(to.dir, 'splits_final.json'), JSON.stringify(splits));
writeSplits(SPLITS);

const VALIDATED: LoaderOptions = { ...options, fold: 0, validation: true };

/** The validation stream of a loader whose training nobody takes. */
async function validationHashes(given: LoaderOptions, count: number): Promise<string[]> {
  await using loader = await PatchLoader.create(given);
  return await streamHashes(loader.validation, count);
}

async function trainingHashes(given: LoaderOptions, count: number): Promise<string[]> {
  await using loader = await PatchLoader.create(given);
  return await streamHashes(loader, count);
}

const [validation, training] = [await validationHashes(VALIDATED, 20), await trainingHashes(VALIDATED, 20)];

describe('a fold', () => {
  it('gives each stream its own cases', async () => {
    await using loader = await PatchLoader.create(VALIDATED);
    const seen = [new Set<string>(), new Set<string>()];
    for (let i = 0; i < 20; i++) {
      using trained = await loader.next();
      using validated = await loader.validation.next();
      for (const key of trained.keys) seen[0].add(key);
      for (const key of validated.keys) seen[1].add(key);
      expect([trained.config, validated.config]).toEqual(['8x9x10', '8x9x10']);
    }
    expect([...seen[0]].sort()).toEqual(SPLITS[0].train);
    expect([...seen[1]].sort()).toEqual(SPLITS[0].val);
  });

  it('without validation is the same training stream', async () => {
    expect(await trainingHashes({ ...options, fold: 0 }, 10)).toEqual(training.slice(0, 10));
  });

  it("'all' trains on every case, as no fold does, and validates on every case with other random numbers", async () => {
    const all: LoaderOptions = { ...options, fold: 'all', validation: true };
    const trained = await trainingHashes(all, 10);
    expect(trained).toEqual(await trainingHashes(options, 10));
    const validated = await validationHashes(all, 10);
    expect(validated.filter((hash) => trained.includes(hash))).toEqual([]);
  });

  it('keeps only the cases of its streams in memory', async () => {
    const resident = async (given: LoaderOptions): Promise<string> => {
      await using loader = await PatchLoader.create(given);
      return loader.memory().parts.find(({ name }) => name === 'resident cases')?.meaning as string;
    };
    expect(await resident({ ...options, fold: 0 })).toMatch(/^4 cases/);
    expect(await resident(VALIDATED)).toMatch(/^6 cases/);
  });
});

describe('the validation stream', () => {
  it('is the same whatever is trained in between, for any number of workers', async () => {
    await using loader = await PatchLoader.create({ ...VALIDATED, workers: 3 });
    const seen: string[] = [];
    const trained: string[] = [];
    for (let i = 0; i < 20; i++) {
      trained.push(...(await streamHashes(loader, i % 3)));
      seen.push(...(await streamHashes(loader.validation, 1)));
    }
    expect(seen).toEqual(validation);
    expect(trained).toEqual(training.slice(0, trained.length));
    expect(loader.validation.metrics()).toMatchObject({ batches: 20, patches: 120, forced: 40 });
    expect(loader.metrics()).toMatchObject({ batches: trained.length, patches: 6 * trained.length });
  });

  it('is never augmented, and its targets mean what those of training mean', async () => {
    await using loader = await PatchLoader.create({ ...VALIDATED, augmentation: 'default', patchSize: [8, 24, 24] });
    using trained = await loader.next();
    using validated = await loader.validation.next();
    expect(trained.plans.some(({ operations }) => operations.some(({ transform }) => transform === 'mirror'))).toBe(true);
    for (const { operations, crop } of validated.plans) {
      expect(operations.map(({ transform }) => transform)).toEqual(['replaceLabel']);
      expect(crop.upper.map((upper, axis) => upper - crop.lower[axis])).toEqual([8, 24, 24]);
    }
    expect(validated.target.every((label) => label >= 0)).toBe(true);
    // Without any augmentation, outside is -1 in both.
    await using plain = await PatchLoader.create({ ...VALIDATED, patchSize: [8, 24, 24] });
    using both = await plain.validation.next();
    expect(both.target.includes(-1)).toBe(true);
  });

  it('can be augmented all the same', async () => {
    await using loader = await PatchLoader.create({ ...VALIDATED, validation: { augmentation: [{ transform: 'mirror', axes: [2] }] } });
    using batch = await loader.validation.next();
    expect(batch.plans.some(({ operations }) => operations.length > 0)).toBe(true);
  });

  it('has regions where training has them', async () => {
    const regional = await makeStore(join(dir, 'regional'), { shapes: SHAPES, labels: { background: 0, whole: [1, 2], core: 2 } });
    await using loader = await PatchLoader.create({ ...options, store: regional, augmentation: 'default', fold: 'all', validation: true });
    using trained = await loader.next();
    using validated = await loader.validation.next();
    expect([trained.targetShape[1], validated.targetShape[1]]).toEqual([2, 2]);
  });

  it('has a ring of its own in the same memory', async () => {
    await using loader = await PatchLoader.create({ ...VALIDATED, ring: 4, validation: { ring: 3 } });
    const { parts } = loader.memory();
    expect(parts.slice(0, 2).map(({ name, meaning }) => `${name}: ${meaning}`)).toEqual([
      'ring: 4 batches of 6 samples',
      'validation ring: 3 batches of 6 samples',
    ]);
    const held = [await loader.validation.next(), await loader.validation.next(), await loader.validation.next()];
    const stuck = loader.validation.next();
    // Training goes on while somebody sits on all batches of validation.
    expect(await streamHashes(loader, 10)).toEqual(training.slice(0, 10));
    held[0].dispose();
    using next = await stuck;
    expect(next.index).toBe(3);
    for (const batch of held) batch.dispose();
    expect(await streamHashes(loader.validation, 5)).toEqual(validation.slice(4, 9));
  });

  it('makes do with a small ring where memory is short, as training does', async () => {
    await using loader = await PatchLoader.create({ ...VALIDATED, maxMemoryBytes: 4_000_000 });
    expect(loader.memory().totalBytes).toBeLessThanOrEqual(4_000_000);
    expect(await streamHashes(loader.validation, 5)).toEqual(validation.slice(0, 5));
    expect(await streamHashes(loader, 5)).toEqual(training.slice(0, 5));
    await expect(PatchLoader.create({ ...VALIDATED, maxMemoryBytes: 100_000 })).rejects.toThrow(/the loader needs .*validation ring/);
  });

  it('goes on from a state together with training', async () => {
    await using begun = await PatchLoader.create(VALIDATED);
    await streamHashes(begun, 7);
    await streamHashes(begun.validation, 3);
    const state = JSON.parse(JSON.stringify(begun.state()));
    expect(state).toMatchObject({ nextBatch: 7, fold: 0, validation: { nextBatch: 3 } });
    await using resumed = await PatchLoader.create({ store, state, workers: 1 });
    expect(await streamHashes(resumed.validation, 5)).toEqual(validation.slice(3, 8));
    expect(await streamHashes(resumed, 5)).toEqual(training.slice(7, 12));
    // Who no longer wants to validate need not.
    await using alone = await PatchLoader.create({ store, state, validation: false });
    expect(await streamHashes(alone, 2)).toEqual(training.slice(7, 9));
  });

  it('of a mixed stream is mixed alike', async () => {
    const configs = [
      { patchSize: [8, 8, 8], batchSize: 2, weight: 2 },
      { patchSize: [9, 9], batchSize: 5 },
    ];
    const { patchSize: _, batchSize: __, ...base } = VALIDATED;
    await using loader = await PatchLoader.create({ ...base, configs, augmentation: 'default' });
    const seen: string[] = [];
    for (let i = 0; i < 6; i++) {
      using batch = await loader.validation.next();
      seen.push(batch.config);
      for (const { operations } of batch.plans) expect(operations.map(({ transform }) => transform)).toEqual(['replaceLabel']);
    }
    expect(seen).toEqual(['8x8x8', '9x9', '8x8x8', '8x8x8', '9x9', '8x8x8']);
    const hashes = await streamHashes(loader.validation, 4);
    await using again = await PatchLoader.create({ ...base, configs, augmentation: 'default', workers: 1 });
    again.validation.skipTo(6);
    expect(again.validation.nextBatch).toBe(6);
    const state = again.state();
    await using resumed = await PatchLoader.create({ store, state });
    for (const loader of [again, resumed]) expect(await streamHashes(loader.validation, 4)).toEqual(hashes);
  });
});

describe('leaving out batches', () => {
  it('gives those that come after, also those that were made already, and frees what is left out', async () => {
    for (const ring of [2, 12]) {
      await using loader = await PatchLoader.create({ ...VALIDATED, ring });
      expect(await streamHashes(loader, 2)).toEqual(training.slice(0, 2));
      loader.training.skipTo(4);
      loader.training.skipTo(1);
      expect(loader.state().nextBatch).toBe(4);
      expect(await streamHashes(loader, 3)).toEqual(training.slice(4, 7));
      const waiting = loader.next();
      loader.training.skipTo(15);
      using batch = await waiting;
      // Who waited may have been given the batch that was ready.
      expect([7, 15]).toContain(batch.index);
      batch.dispose();
      loader.training.skipTo(16);
      expect(await streamHashes(loader, 4)).toEqual(training.slice(16));
    }
  });
});

describe('both streams', () => {
  afterEach(forgetFaults);

  it('survive workers that die over samples of either', async () => {
    const faults = [9, 10, 31].flatMap((sample) => (['exit', 'uncaught'] as const).map((kind) => ({ sample, kind, times: 1 })));
    await using loader = await faultyLoader(dir, faults, VALIDATED);
    const [trained, validated] = await Promise.all([streamHashes(loader, 20), streamHashes(loader.validation, 20)]);
    expect(trained).toEqual(training);
    expect(validated).toEqual(validation);
    expect(loader.metrics().workerRestarts).toBeGreaterThan(0);
  });

  it('survive workers that are ended from outside', async () => {
    using live = new LiveWorkers();
    await using loader = await PatchLoader.create(VALIDATED);
    const seen: string[][] = [[], []];
    for (let i = 0; i < 20; i++) {
      live.end(i);
      seen[0].push(...(await streamHashes(loader, 1)));
      seen[1].push(...(await streamHashes(loader.validation, 1)));
    }
    expect(seen).toEqual([training, validation]);
  });

  it('end with the loader', async () => {
    const loader = await PatchLoader.create({ ...VALIDATED, validation: { ring: 1 } });
    await loader.validation.next();
    const waiting = loader.validation.next();
    await Promise.all([loader.close(), expect(waiting).rejects.toMatchObject({ name: 'ClosedError' })]);
    for await (const _ of loader.validation) expect.fail('there was a batch');
  });

  it('fail each for itself: training goes on when a validation case cannot be read', async () => {
    const broken = await makeStore(join(dir, 'broken'), { shapes: SHAPES });
    writeSplits(SPLITS, broken);
    rmSync(join(broken.dir, `${SPLITS[0].val[0]}.npy`));
    await using loader = await PatchLoader.create({ ...VALIDATED, store: broken });
    const error = await streamHashes(loader.validation, 20).catch((reason) => reason);
    expect(error).toMatchObject({ name: 'SampleError', where: expect.stringMatching(/^validation sample \d+ \(case case_002/) });
    await expect(loader.validation.next()).rejects.toBe(error);
    expect(await streamHashes(loader, 20)).toEqual(training);
  });
});

describe('options', () => {
  it.each<[string, object, object]>([
    ['validation without a fold', { fold: undefined }, { where: 'validation', what: expect.stringContaining('no fold') }],
    [
      'validation that is neither',
      { validation: 1 },
      { where: 'validation', what: expect.stringContaining('1 is not true, false or options') },
    ],
    ['validation with an unknown option', { validation: { rings: 2 } }, { where: 'validation.rings' }],
    [
      'a validation ring of 0',
      { validation: { ring: 0 } },
      { where: 'validation.ring', what: expect.stringContaining('0 is not a whole number') },
    ],
    ['an unknown preset', { validation: { augmentation: 'none at all' } }, { where: 'validation.augmentation' }],
    ['a fold that is not there', { fold: 2 }, { where: 'fold', action: expect.stringContaining('0 to 1') }],
    ['a fold by name', { fold: 'every' }, { where: 'fold', what: expect.stringContaining('"every" is not a fold from 0 on') }],
  ])('are refused: %s', async (_, wrong, error) => {
    await expect(PatchLoader.create({ ...VALIDATED, ...wrong })).rejects.toMatchObject({ name: 'OptionError', ...error });
  });

  it('that ask for a fold of a store without splits, and with too few cases for five, are refused', async () => {
    const bare = await makeStore(join(dir, 'bare'), { shapes: SHAPES.slice(0, 4) });
    await expect(PatchLoader.create({ ...options, store: bare, fold: 0 })).rejects.toMatchObject({
      name: 'DatasetError',
      where: join(bare.dir, 'splits_final.json'),
      action: expect.stringContaining('`fold`'),
    });
  });

  it('do not go with a state of another fold, or of other cases under its number', async () => {
    await using loader = await PatchLoader.create(VALIDATED);
    const state = loader.state();
    await expect(PatchLoader.create({ store, state, fold: 1 })).rejects.toThrow(/saved with fold 0, the options say 1/);
    await using everything = await PatchLoader.create(options);
    await expect(PatchLoader.create({ store, state: everything.state(), fold: 1 })).rejects.toThrow(/saved with fold nothing/);
    await expect(PatchLoader.create({ store, state, validation: { augmentation: 'default' } })).rejects.toThrow(/saved with validation/);
    writeSplits([SPLITS[1], SPLITS[0]]);
    try {
      await expect(PatchLoader.create({ store, state })).rejects.toThrow(
        /fold 0 had other cases when it was saved. Restore splits_final.json/,
      );
    } finally {
      writeSplits(SPLITS);
    }
  });

  it('that leave validation out leave nothing to ask for', async () => {
    await using loader = await PatchLoader.create({ ...options, fold: 0 });
    expect(() => loader.validation).toThrow(/validation: the loader has no validation stream. Create it with `fold`/);
  });
});
