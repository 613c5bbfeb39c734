import { describe, expect, it } from 'vitest';
import { Digest } from '../../src/common/hash.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import type { LoaderOptions } from '../../src/loader/options/options.ts';
import type { LoaderState, ResumeOptions } from '../../src/loader/options/state.ts';
import { LiveWorkers } from '../fixtures/live-workers.ts';
import { loaderFixture } from '../fixtures/loader.ts';
import { realStore } from './real-store.ts';

const store = await realStore();
const MIXED: LoaderOptions = {
  store,
  configs: [
    { config: '3d_fullres', weight: 3 },
    { config: '2d', weight: 1, batchSize: 40 },
  ],
  augmentation: 'default',
  deepSupervision: true,
  seed: 7,
  workers: 2,
  ring: 4,
};

interface Seen {
  config: string;
  shape: string;
  hash: string;
}

/** What the next batches are. */
async function look(loader: PatchLoader, count: number): Promise<Seen[]> {
  const seen: Seen[] = [];
  for (let i = 0; i < count; i++) {
    using batch = await loader.next();
    const digest = (await Digest.create()).update(batch.data);
    for (const target of batch.targets) digest.update(target);
    seen.push({ config: batch.config, shape: batch.dataShape.join('x'), hash: digest.update(JSON.stringify(batch.keys)).hex() });
  }
  return seen;
}

async function lookAt(options: LoaderOptions | ResumeOptions, count: number): Promise<Seen[]> {
  await using loader = await PatchLoader.create(options);
  return await look(loader, count);
}

const of = (seen: Seen[], config: string): string[] => seen.filter((batch) => batch.config === config).map(({ hash }) => hash);
const CHOSEN = { config: '3d_fullres', patchSize: [12, 20, 16], batchSize: 2, weight: 3 };

describe('a mixed stream', () => {
  it('has each configuration as often as it says, tagged, with its own sizes and targets, whatever the workers', async () => {
    const [one, two] = [await lookAt({ ...MIXED, workers: 1 }, 16), await lookAt({ ...MIXED, workers: 2 }, 16)];
    expect(two).toEqual(one);
    for (let round = 0; round < 16; round += 4) expect(of(one.slice(round, round + 4), '3d_fullres').length, `round from ${round}`).toBe(3);
    expect(new Set(one.map(({ config, shape }) => `${config} ${shape}`))).toEqual(new Set(['3d_fullres 9x1x40x56x40', '2d 40x1x56x40']));
    await using loader = await PatchLoader.create(MIXED);
    for (let i = 0; i < 4; i++) {
      using batch = await loader.next();
      const [first, second] = batch.targetShapes;
      expect(batch.targets.map(({ length }) => length)).toEqual(batch.targetShapes.map((shape) => shape.reduce((a, b) => a * b)));
      expect(first.slice(2)).toEqual(batch.dataShape.slice(2));
      expect(second.slice(2)).toEqual(first.slice(2).map((size) => size / 2));
      // Presets depend on the patch: 2D patches turn about one axis alone.
      const angles = batch.plans
        .flatMap(({ operations }) => operations.filter(({ transform }) => transform === 'spatial'))
        .map(({ parameters }) => parameters);
      if (batch.config === '2d') expect(batch.plans.every(({ box }) => box.upper[0] - box.lower[0] === 1)).toBe(true);
      expect(angles.length).toBeGreaterThan(0);
    }
  });

  it('gives every configuration a stream of its own, whatever it is mixed with', async () => {
    const flat = { patchSize: [24, 16], batchSize: 5, weight: 1 };
    const options: LoaderOptions = { store, seed: 3, workers: 2, augmentation: 'default', configs: [CHOSEN, flat] };
    const mixed = await lookAt(options, 16);
    // The first has the numbers of the seed itself: it is the stream of a loader that has nothing else.
    const { weight: _, ...alone } = CHOSEN;
    const single = await lookAt({ store, seed: 3, workers: 1, augmentation: 'default', ...alone }, 12);
    expect(of(mixed, '3d_fullres')).toEqual(single.map(({ hash }) => hash));
    // Another order of batches, another first configuration, one more: the second stays what it is.
    const others: LoaderOptions['configs'] = [{ patchSize: [8, 8, 8], batchSize: 3, weight: 1 }, { ...flat, weight: 2 }, CHOSEN];
    expect(of(await lookAt({ ...options, configs: others }, 12), '24x16')).toEqual(of(mixed, '24x16'));
    // They do not share random numbers: the same configuration twice is two streams.
    const twice = await lookAt({ ...options, configs: [CHOSEN, { ...CHOSEN }] }, 12);
    expect(new Set(twice.map(({ hash }) => hash)).size).toBe(12);
  });

  it('goes on from a state at any batch, knowing names and weights', async () => {
    const whole = await lookAt(MIXED, 14);
    for (const stop of [1, 2, 7]) {
      await using begun = await PatchLoader.create(MIXED);
      await look(begun, stop);
      const state = JSON.parse(JSON.stringify(begun.state()));
      expect(state.configs.map(({ config, weight }: { config: string; weight: number }) => [config, weight])).toEqual([
        ['3d_fullres', 3],
        ['2d', 1],
      ]);
      expect(await lookAt({ store, state, workers: 1 }, 14 - stop)).toEqual(whole.slice(stop));
      if (stop === 2) expect(await lookAt({ ...MIXED, state }, 3)).toEqual(whole.slice(2, 5));
    }
  });

  it.each<[string, Partial<LoaderOptions>, RegExp]>([
    [
      'other weights',
      {
        ...MIXED,
        configs: [
          { config: '3d_fullres', weight: 2 },
          { config: '2d', batchSize: 40 },
        ],
      },
      /saved with configs\[0\]\.weight 3, the options say 2/,
    ],
    [
      'another patch',
      {
        ...MIXED,
        configs: [
          { config: '3d_fullres', weight: 3 },
          { config: '2d', patchSize: [8, 8], batchSize: 40 },
        ],
      },
      /configs\[1\]\.patchSize \[56,40\], the options say \[8,8\]/,
    ],
    ['fewer configurations', { ...MIXED, configs: [{ config: '3d_fullres', weight: 3 }] }, /saved with configs 2, the options say 1/],
    ['another seed', { seed: 8 }, /saved with seed 7, the options say 8/],
    ['another oversampling of all', { oversample: 0.5 }, /configs\[0\]\.oversample 0\.33, the options say 0\.5/],
  ])('refuses a state with %s', async (_, other, message) => {
    await using loader = await PatchLoader.create(MIXED);
    await expect(PatchLoader.create({ store, state: loader.state(), ...other })).rejects.toMatchObject({
      name: 'StateError',
      message: expect.stringMatching(message),
    });
  });

  it('does not go on where there was one configuration, nor the other way round', async () => {
    await using loader = await PatchLoader.create({ store, workers: 1 });
    await expect(PatchLoader.create({ store, state: loader.state(), configs: [{ config: '2d' }] })).rejects.toThrow(
      /saved with configs nothing/,
    );
    await using mixed = await PatchLoader.create(MIXED);
    await expect(PatchLoader.create({ store, state: mixed.state(), config: '2d' })).rejects.toThrow(/config: it is given beside `configs`/);
  });

  it('survives the death of its workers', async () => {
    const undisturbed = await lookAt(MIXED, 16);
    using live = new LiveWorkers();
    await using loader = await PatchLoader.create(MIXED);
    const seen: Seen[] = [];
    for (let i = 0; i < 16; i++) {
      live.end(i);
      seen.push(...(await look(loader, 1)));
    }
    expect(seen).toEqual(undisturbed);
    expect(loader.metrics().workerRestarts).toBeGreaterThan(2);
  });

  it('can change its mix over training', async () => {
    const weight = [
      [0, 0],
      [4, 1],
    ] as const;
    const seen = await lookAt(
      { ...MIXED, augmentation: 'none', configs: [{ config: '3d_fullres' }, { config: '2d', batchSize: 7, weight }] },
      10,
    );
    expect(seen.map(({ config }) => config === '2d')).toEqual([false, false, false, false, false, true, false, true, false, true]);
  });

  it('has one memory, with room for the largest batch in every place', async () => {
    await using loader = await PatchLoader.create({ ...MIXED, ring: 3 });
    const { parts, totalBytes } = loader.memory();
    const [ring] = parts;
    // Deep supervision adds to 3D; 2D batches are the smaller ones here.
    expect(ring).toMatchObject({ name: 'ring', meaning: '3 batches of 9 or 40 samples' });
    expect(ring.bytes).toBeGreaterThanOrEqual(3 * 9 * 40 * 56 * 40 * 6);
    const sum = parts.reduce((total, { bytes }) => total + bytes, 0);
    expect(totalBytes).toBeGreaterThanOrEqual(sum);
    expect(totalBytes - sum).toBeLessThan(3 * 64 * 1024);
    await expect(PatchLoader.create({ ...MIXED, ring: 3, maxMemoryBytes: ring.bytes })).rejects.toMatchObject({ name: 'MemoryError' });
  });
});

describe('configurations', () => {
  const config = { config: '3d_fullres' };
  it.each<[string, Partial<LoaderOptions>, string, RegExp]>([
    ['that are no list', { configs: {} as never }, 'configs', /is not a list of configurations/],
    ['that are none', { configs: [] }, 'configs', /\[\] is not a list/],
    ['that are names', { configs: ['2d' as never] }, 'configs', /\["2d"\] is not a list/],
    ['beside another one', { configs: [config], config: '2d' }, 'config', /beside `configs`/],
    ['beside a patch', { configs: [config], patchSize: [8, 8, 8] }, 'patchSize', /beside `configs`/],
    ['beside a batch size', { configs: [config], batchSize: 2 }, 'batchSize', /beside `configs`/],
    [
      'with options of the loader',
      { configs: [{ ...config, workers: 2 } as never] },
      'configs[0].workers',
      /a configuration of a mixed stream has no such option/,
    ],
    [
      'with a patch that is none',
      { configs: [config, { patchSize: [0, 8], batchSize: 1 }] },
      'configs[1].patchSize',
      /is not a patch size/,
    ],
    ['with a fraction that is none', { configs: [{ ...config, oversample: 3 }] }, 'configs[0].oversample', /3 is not a fraction/],
    ['with a weight that is none', { configs: [config, { ...config, weight: -1 }] }, 'configs[1].weight', /-1 is no weight/],
    ['that weigh nothing', { configs: [{ ...config, weight: 0 }] }, 'configs', /add up to 0/],
  ])('%s are refused', async (_, options, where, what) => {
    await expect(PatchLoader.create({ store, ...options })).rejects.toMatchObject({
      name: 'OptionError',
      where,
      what: expect.stringMatching(what),
    });
  });

  it('that the plans do not have are refused with those that they have', async () => {
    await expect(PatchLoader.create({ store, configs: [config, { config: '3d' }] })).rejects.toMatchObject({
      name: 'PlansError',
      what: 'there is no configuration "3d"',
    });
  });

  it('that fall short of sizes in a store without plans are refused', async () => {
    const { options } = await loaderFixture();
    await expect(PatchLoader.create({ store: options.store, configs: [{ patchSize: [4, 4, 4] }] })).rejects.toMatchObject({
      name: 'StoreError',
    });
  });
});

describe('a stream of one configuration', () => {
  it.each<[string, Partial<LoaderOptions>, string]>([
    ['of the plans', { config: '2d', batchSize: 3 }, '2d'],
    ['that the store was written for', {}, '3d_fullres'],
    ['of a given patch', { patchSize: [8, 9, 10] }, '8x9x10'],
  ])('is tagged with its name, after a state too: %s', async (_, options, config) => {
    const tag = async (given: LoaderOptions | ResumeOptions): Promise<string> => {
      await using loader = await PatchLoader.create(given);
      using batch = await loader.next();
      return batch.config;
    };
    expect(await tag({ store, workers: 1, ...options })).toBe(config);
    await using loader = await PatchLoader.create({ store, workers: 1, ...options });
    expect(await tag({ store, state: loader.state() })).toBe(config);
  });

  it('goes on from a state that knows no names and epochs, as those of before', async () => {
    const options: LoaderOptions = { store, patchSize: [8, 9, 10], batchSize: 2, seed: 4, workers: 1 };
    const whole = await lookAt(options, 6);
    await using begun = await PatchLoader.create(options);
    await look(begun, 4);
    const { config: _, epoch: __, epochs: ___, ...state } = begun.state();
    expect(await lookAt({ store, state: state as LoaderState }, 2)).toEqual(whole.slice(4));
  });

  it('may stand in a list of its own', async () => {
    const options: LoaderOptions = { store, seed: 4, workers: 1, augmentation: 'default' };
    expect(await lookAt({ ...options, configs: [CHOSEN] }, 4)).toEqual(
      await lookAt({ ...options, config: '3d_fullres', patchSize: CHOSEN.patchSize, batchSize: 2 }, 4),
    );
  });
});
