import { availableParallelism } from 'node:os';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { resolveOptions } from '../../src/loader/options/options.ts';
import { ranksHere } from '../../src/sampling/ranks.ts';
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

  it('are as many as torchrun says', () => {
    expect(ranksHere(8)).toBe(8);
    vi.stubEnv('LOCAL_WORLD_SIZE', '4');
    expect(ranksHere(8)).toBe(4);
    expect(ranksHere(2)).toBe(2);
    vi.stubEnv('LOCAL_WORLD_SIZE', 'many');
    expect(ranksHere(8)).toBe(8);
  });
});
