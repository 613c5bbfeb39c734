import { availableParallelism } from 'node:os';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { recipeOf } from '../../src/augmentation/recipe.ts';
import { planMemory } from '../../src/loader/memory-plan.ts';
import { type LoaderOptions, resolveOptions } from '../../src/loader/options/options.ts';
import { prepareOptions } from '../../src/loader/options/prepare.ts';
import { allConfigurations } from '../../src/loader/options/streams.ts';
import { ranksHere } from '../../src/sampling/ranks.ts';
import type { Layout } from '../../src/shared-memory/layout.ts';
import { loaderFixture } from '../fixtures/loader.ts';

const { options } = await loaderFixture();
const { workers: _, ...plain } = options;

afterEach(() => vi.unstubAllEnvs());

describe('ranks of one machine', () => {
  it('share its cores and its memory', () => {
    const alone = resolveOptions(plain);
    const one = resolveOptions({ ...plain, rank: 1, worldSize: 2 });
    expect(alone.workers).toBe(Math.min(4, availableParallelism()));
    expect(one.workers).toBe(Math.max(1, Math.min(4, Math.floor(availableParallelism() / 2))));
    expect(one.maxMemoryBytes).toBe(Math.floor(alone.maxMemoryBytes / 2));
    expect(resolveOptions({ ...plain, rank: 1, worldSize: 2, workers: 7, maxMemoryBytes: 5e8 })).toMatchObject({
      workers: 7,
      maxMemoryBytes: 5e8,
    });
  });

  it('plan for the same cases where they share them, however short memory is', async () => {
    const planned = async (more: Partial<LoaderOptions>): Promise<Layout> => {
      const { streams } = await prepareOptions({ ...options, patchSize: [24, 24, 24], batchSize: 5, ring: 40, worldSize: 2, ...more });
      return planMemory(streams, allConfigurations(streams).map(recipeOf), true);
    };
    // The first rank makes three samples of five.
    const least = (await planned({ rank: 0, cacheBytes: 0 })).totalBytes + options.store.locationsBytes;
    const counts = new Set<number>();
    for (let room = 0; room < 160_000; room += 8000) {
      const [first, second] = [0, 1].map((rank) => planned({ rank, maxMemoryBytes: least + room }));
      const { residentBytes } = await first;
      expect((await second).residentBytes).toEqual(residentBytes);
      counts.add(residentBytes.filter((bytes) => bytes > 0).length);
    }
    expect([...counts]).toEqual([0, 1, 2, 3, 4]);
  });

  it('are as many as torchrun says', () => {
    expect(ranksHere(8)).toBe(8);
    vi.stubEnv('LOCAL_WORLD_SIZE', '4');
    expect(ranksHere(8)).toBe(4);
    expect(ranksHere(2)).toBe(2);
    vi.stubEnv('LOCAL_WORLD_SIZE', 'many');
    expect(ranksHere(8)).toBe(8);
  });
});
