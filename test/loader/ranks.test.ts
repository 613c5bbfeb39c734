import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { StateError } from '../../src/common/errors.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import type { LoaderOptions } from '../../src/loader/options/options.ts';
import type { SlotPlan } from '../../src/sampling/slot-plan.ts';
import { loaderFixture } from '../fixtures/loader.ts';
import { streamHashes } from '../fixtures/stream.ts';

const { store, options } = await loaderFixture({ batchSize: 7, workers: 1 });
const BATCHES = 6;

interface Made {
  plan: SlotPlan;
  key: string;
  data: number[];
}

async function samples(more: Partial<LoaderOptions>): Promise<{ made: Made[]; sizes: number[] }> {
  await using loader = await PatchLoader.create({ ...options, ...more });
  const made: Made[] = [];
  const sizes: number[] = [];
  for (let i = 0; i < BATCHES; i++) {
    using batch = await loader.next();
    const [size] = batch.dataShape;
    const voxels = batch.data.length / size;
    sizes.push(size);
    batch.plans.forEach((plan, slot) => {
      made.push({ plan, key: batch.keys[slot], data: [...batch.data.slice(slot * voxels, (slot + 1) * voxels)] });
    });
  }
  return { made, sizes };
}

describe('ranks', () => {
  it('make the parts of every batch that nnU-Net gives them', async () => {
    const sizes = await Promise.all([0, 1, 2].map(async (rank) => (await samples({ rank, worldSize: 3 })).sizes));
    expect(sizes).toEqual([Array(BATCHES).fill(3), Array(BATCHES).fill(2), Array(BATCHES).fill(2)]);
  });

  it.each<[number, Partial<LoaderOptions>]>([
    [2, {}],
    [3, { augmentation: 'default' }],
    [7, {}],
    [3, { probabilisticOversampling: 'realised' }],
    [3, { exposure: { one: 0.6 } }],
  ])('together make the stream of a single process, each sample once: %i of them with %o', async (worldSize, more) => {
    const ranks = await Promise.all(Array.from({ length: worldSize }, (_, rank) => samples({ ...more, rank, worldSize })));
    const all = ranks.flatMap(({ made }) => made).sort((a, b) => a.plan.sample - b.plan.sample);
    expect(all).toEqual((await samples(more)).made);
  });

  it.each([
    ['together', '', /^4 cases kept whole by all ranks of the machine together, see/],
    ['each for itself where nothing is to be mapped', '1', /^4 cases kept whole, see/],
  ])('keep cases %s', async (_, noMap, meaning) => {
    vi.stubEnv('VOXFEED_NO_MAP', noMap);
    onTestFinished(() => void vi.unstubAllEnvs());
    await using loader = await PatchLoader.create({ ...options, rank: 1, worldSize: 2 });
    expect(loader.memory().parts.find(({ name }) => name === 'resident cases')?.meaning).toMatch(meaning);
  });

  it('continue from the state of any of them', async () => {
    const streams = await Promise.all(
      [0, 1].map(async (rank) => {
        await using loader = await PatchLoader.create({ ...options, rank, worldSize: 2 });
        return await streamHashes(loader, BATCHES);
      }),
    );
    await using first = await PatchLoader.create({ ...options, rank: 0, worldSize: 2 });
    await streamHashes(first, 2);
    const state = JSON.parse(JSON.stringify(first.state()));
    for (const rank of [0, 1]) {
      await using later = await PatchLoader.create({ store, state, rank, workers: 1 });
      expect(await streamHashes(later, BATCHES - 2)).toEqual(streams[rank].slice(2));
    }
    await expect(PatchLoader.create({ store, state })).rejects.toThrow(/which of the 2 processes/);
    await expect(PatchLoader.create({ store, state, rank: 0, worldSize: 3 })).rejects.toThrow(StateError);
  });
});
