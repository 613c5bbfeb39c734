import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { PatchLoader } from '../../src/loader/loader.ts';
import type { LoaderOptions } from '../../src/loader/options/options.ts';
import { adviseOversampling } from '../../src/planning/oversampling-advice.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { storeConfiguration } from '../../src/store/store-configuration.ts';
import { loaderFixture } from '../fixtures/loader.ts';
import { type PlansContent, writePlans } from '../fixtures/plans.ts';
import { makeRawDataset, randomCase } from '../fixtures/raw-dataset.ts';
import { streamHashes } from '../fixtures/stream.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const PLANS: PlansContent = {
  spacing: [3, 1, 1],
  patch: [4, 5, 6],
  batch: 3,
  configurations: {
    '2d': { patch_size: [7, 8], spacing: [1, 1], batch_size: 5 },
    larger: { inherits_from: '3d_fullres', patch_size: [6, 7, 8] },
    raw: { inherits_from: '3d_fullres', normalization_schemes: ['NoNormalization'] },
    sharp: { inherits_from: '3d_fullres', resampling_fn_data_kwargs: { is_seg: false, order: 0, order_z: 0, force_separate_z: null } },
    '3d_lowres': { spacing: [6, 2, 2] },
  },
};

let dir: string;
let raw: string;
let store: Store;

beforeAll(async () => {
  dir = temporaryFolder();
  // One voxel of foreground in each case: patches see it now and then.
  const cases = ['a', 'b', 'c'].map((id, i) => ({ ...randomCase(id, [8, 10, 12], { seed: i + 1, sparse: true }), spacing: [3, 1, 1] }));
  raw = makeRawDataset(join(dir, 'raw'), { cases });
  await preprocess(raw, join(dir, 'store'), { workers: 2, plans: writePlans(join(dir, 'plans.json'), PLANS) });
  store = await openStore(join(dir, 'store'));
});

/** Patch, batch and oversampling of a loader with these options. */
async function resolved(options: Partial<LoaderOptions>) {
  await using loader = await PatchLoader.create({ store, workers: 1, ...options });
  const { patchSize, batchSize, oversample } = loader.state();
  using batch = await loader.next();
  expect(batch.data.length).toBe(batchSize * patchSize.reduce((a, b) => a * b, 1));
  return { patchSize, batchSize, oversample };
}

const refused = (options: Partial<LoaderOptions>) => PatchLoader.create({ store, workers: 1, ...options });

describe('a loader of a store with plans', () => {
  it('has the patch and batch size that the cases were written for', async () => {
    expect(await resolved({})).toEqual({ patchSize: [4, 5, 6], batchSize: 3, oversample: 0.33 });
  });

  it('has those of another configuration on the same grid when asked to', async () => {
    expect(await resolved({ config: '2d' })).toMatchObject({ patchSize: [7, 8], batchSize: 5 });
    expect(await resolved({ config: 'larger' })).toMatchObject({ patchSize: [6, 7, 8], batchSize: 3 });
    expect(await resolved({ config: '3d_fullres' })).toMatchObject({ patchSize: [4, 5, 6], batchSize: 3 });
  });

  it('has what is given instead', async () => {
    expect(await resolved({ patchSize: [2, 2, 2] })).toMatchObject({ patchSize: [2, 2, 2], batchSize: 3 });
    expect(await resolved({ batchSize: 8 })).toMatchObject({ patchSize: [4, 5, 6], batchSize: 8 });
    expect(await resolved({ config: '2d', batchSize: 2 })).toMatchObject({ patchSize: [7, 8], batchSize: 2 });
    expect(await resolved({ config: '2d', batchSize: 2, patchSize: [3, 3] })).toMatchObject({ patchSize: [3, 3], batchSize: 2 });
  });

  it('gives the same stream as one that is told the sizes', async () => {
    await using planned = await PatchLoader.create({ store, config: '2d', seed: 4, workers: 2 });
    await using told = await PatchLoader.create({ store, patchSize: [7, 8], batchSize: 5, seed: 4, workers: 1 });
    expect(await streamHashes(planned, 6)).toEqual(await streamHashes(told, 6));
  });

  it('refuses a configuration of another grid, and says how to get one', async () => {
    await expect(refused({ config: '3d_lowres' })).rejects.toMatchObject({
      name: 'StoreError',
      where: store.dir,
      what: 'its cases were written for 3d_fullres (spacing [3, 1, 1]), 3d_lowres has [6, 2, 2]',
      action: 'Preprocess with `config` 3d_lowres into another folder',
    });
    await expect(refused({ config: '3d_lowres', patchSize: [2, 2, 2], batchSize: 1 })).rejects.toMatchObject({ name: 'StoreError' });
  });

  it('refuses a configuration that is not there, with those that are', async () => {
    await expect(refused({ config: '3d_fulres' })).rejects.toMatchObject({
      name: 'PlansError',
      where: join(store.dir, 'nnUNetPlans.json'),
      what: 'there is no configuration "3d_fulres"',
      action: expect.stringContaining('3d_fullres, 2d, larger, raw'),
    });
  });

  it('of a 2D configuration has no 3D one to take', async () => {
    const plans = join(dir, 'plans.json');
    await preprocess(raw, join(dir, 'flat'), { workers: 2, plans, config: '2d' });
    const flat = await openStore(join(dir, 'flat'));
    expect(await resolved({ store: flat })).toMatchObject({ patchSize: [7, 8], batchSize: 5 });
    await expect(refused({ store: flat, config: '3d_fullres' })).rejects.toMatchObject({ name: 'StoreError' });
  });

  it('whose plans are gone or damaged names them, unless it needs none', async () => {
    const copy = join(temporaryFolder(), 'store');
    cpSync(store.dir, copy, { recursive: true });
    writeFileSync(join(copy, 'nnUNetPlans.json'), '{');
    const damaged = { name: 'PlansError', where: join(copy, 'nnUNetPlans.json') };
    const opened = await openStore(copy);
    await expect(refused({ store: opened })).rejects.toMatchObject(damaged);
    expect(() => opened.plans).toThrow(expect.objectContaining(damaged));
    expect((await openStore(store.dir)).plans?.plans_name).toBe('nnUNetPlans');
    expect(await resolved({ store: opened, patchSize: [2, 2], batchSize: 2 })).toMatchObject({ patchSize: [2, 2] });
  });
});

describe('a store without plans', () => {
  it('asks for patch and batch size', async () => {
    const { options } = await loaderFixture();
    const { patchSize: _, ...withoutPatch } = options;
    const wanted = { name: 'StoreError', what: 'the store has no plans', action: expect.stringContaining('patch and batch size') };
    await expect(PatchLoader.create(withoutPatch)).rejects.toMatchObject({ ...wanted, where: options.store.dir });
    await expect(PatchLoader.create({ ...options, config: '2d' })).rejects.toMatchObject(wanted);
    expect(() => storeConfiguration(options.store)).toThrow(expect.objectContaining(wanted));
  });

  it('has no advice on oversampling', async () => {
    const { options } = await loaderFixture();
    await expect(PatchLoader.create({ ...options, oversample: 'auto' })).rejects.toMatchObject({
      name: 'OptionError',
      where: 'oversample',
      what: "'auto' is not known: nothing was measured in this store",
    });
  });
});

describe('automatic oversampling', () => {
  const advised = (patch: number[]): number => {
    const measured = store.cases.flatMap((_, i) => store.sidecar(i).coverage.filter((found) => found.patch.join() === patch.join()));
    return adviseOversampling(measured, store.classes).recommended;
  };

  it('is what was measured for patches of the chosen size', async () => {
    const [three, two] = [await resolved({ oversample: 'auto' }), await resolved({ oversample: 'auto', config: '2d' })];
    expect(three.oversample).toBe(advised([4, 5, 6]));
    expect(two.oversample).toBe(advised([1, 7, 8]));
    expect(three.oversample).not.toBe(two.oversample);
    expect(await resolved({ oversample: 'auto', patchSize: [7, 8], batchSize: 2 })).toMatchObject({ oversample: two.oversample });
  });

  it('is refused for patches of another size, with those that are known', async () => {
    await expect(refused({ oversample: 'auto', patchSize: [2, 2, 2] })).rejects.toMatchObject({
      name: 'OptionError',
      where: 'oversample',
      what: "'auto' is known for patches of [4, 5, 6] and [1, 7, 8] and [6, 7, 8], not of [2, 2, 2]",
    });
  });

  it('that is misspelt is no fraction', async () => {
    await expect(refused({ oversample: 'Auto' as 'auto' })).rejects.toMatchObject({ name: 'OptionError', where: 'oversample' });
  });
});

describe('a state', () => {
  it('continues a stream that was planned, with its configuration or without', async () => {
    await using whole = await PatchLoader.create({ store, config: '2d', oversample: 'auto', seed: 9, workers: 1 });
    const hashes = await streamHashes(whole, 8);
    await using begun = await PatchLoader.create({ store, config: '2d', oversample: 'auto', seed: 9, workers: 2 });
    await streamHashes(begun, 3);
    const state = JSON.parse(JSON.stringify(begun.state()));
    expect(state).toMatchObject({ patchSize: [7, 8], batchSize: 5, nextBatch: 3, oversample: expect.any(Number) });
    for (const again of [{}, { config: '2d' }, { config: '2d', oversample: 'auto' as const }]) {
      await using resumed = await PatchLoader.create({ store, state, workers: 1, ...again });
      expect(await streamHashes(resumed, 5)).toEqual(hashes.slice(3));
    }
  });

  it('is refused for another configuration', async () => {
    await using loader = await PatchLoader.create({ store, config: '2d', workers: 1 });
    await expect(PatchLoader.create({ store, state: loader.state(), config: '3d_fullres', workers: 1 })).rejects.toMatchObject({
      name: 'StateError',
      what: 'it was saved with config "2d", the options say "3d_fullres"',
    });
  });

  it('outlives other plans in the same store, which make no other cases', async () => {
    const copy = join(temporaryFolder(), 'store');
    cpSync(store.dir, copy, { recursive: true });
    await using loader = await PatchLoader.create({ store, seed: 2, workers: 1 });
    const hashes = await streamHashes(loader, 2);
    await using before = await PatchLoader.create({ store: await openStore(copy), seed: 2, workers: 1 });
    const state = before.state();
    writePlans(join(copy, 'nnUNetPlans.json'), { ...PLANS, batch: 40 });
    expect(await preprocess(raw, copy, { workers: 1 })).toMatchObject({ written: 0, batchSize: 40 });
    await using resumed = await PatchLoader.create({ store: await openStore(copy), state, workers: 1 });
    expect(await streamHashes(resumed, 2)).toEqual(hashes);
  });
});

describe('a configuration whose voxels would be others', () => {
  it.each(['raw', 'sharp', '3d_lowres'])('is refused: %s', (name) => {
    expect(() => storeConfiguration(store, name)).toThrow(
      expect.objectContaining({ name: 'StoreError', where: store.dir, action: expect.stringContaining(`\`config\` ${name}`) }),
    );
  });

  it('is so too where the plans of the store were edited after it was written', async () => {
    const copy = join(temporaryFolder(), 'store');
    cpSync(store.dir, copy, { recursive: true });
    writePlans(join(copy, 'nnUNetPlans.json'), { ...PLANS, normalisation: ['RescaleTo01Normalization'] });
    const edited = await openStore(copy);
    expect(() => storeConfiguration(edited)).toThrow('another normalisation');
    writePlans(join(copy, 'nnUNetPlans.json'), { ...PLANS, batch: 7 });
    expect(storeConfiguration(await openStore(copy)).batchSize).toBe(7);
  });
});
