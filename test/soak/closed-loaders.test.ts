import { describe, expect, it } from 'vitest';
import { PatchLoader } from '../../src/loader/loader.ts';
import { loaderFixture } from '../fixtures/loader.ts';

const LOADERS = 25;

describe(`${LOADERS} loaders of a hundred megabytes, one after the other`, () => {
  it('take no more memory than one', async () => {
    const { options } = await loaderFixture({ shapes: [[64, 64, 64]], patchSize: [60, 60, 60], batchSize: 8, ring: 10 });
    const held: number[] = [];
    for (let seed = 0; seed < LOADERS; seed++) {
      await using loader = await PatchLoader.create({ ...options, seed });
      for (let i = 0; i < 12; i++) {
        using _ = await loader.next();
        held[seed] = Math.max(held[seed] ?? 0, process.memoryUsage.rss());
      }
    }
    expect(Math.max(...held)).toBeLessThan(1.3 * held[0]);
  });
});
