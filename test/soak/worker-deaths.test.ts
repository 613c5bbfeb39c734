import { describe, expect, it } from 'vitest';
import { PatchLoader } from '../../src/loader/loader.ts';
import { LiveWorkers } from '../fixtures/live-workers.ts';
import { loaderFixture } from '../fixtures/loader.ts';
import { streamHashes, undisturbedHashes } from '../fixtures/stream.ts';

const BATCHES = 2000;
const DEATHS = 200;

describe(`${DEATHS} workers ended from outside over ${BATCHES} batches`, () => {
  it('change no byte, lose no batch and leave no memory behind', async () => {
    const { options } = await loaderFixture({
      shapes: [
        [12, 20, 17],
        [16, 16, 16],
        [10, 14, 12],
      ],
      patchSize: [12, 14, 10],
      batchSize: 4,
      seed: 5,
      ring: 8,
    });
    const expected = await undisturbedHashes(options, BATCHES);

    using live = new LiveWorkers();
    await using loader = await PatchLoader.create(options);
    const hashes: string[] = [];
    const memory: number[] = [];
    let deaths = 0;
    for (let i = 0; i < BATCHES; i++) {
      if (deaths < (DEATHS * (i + 1)) / BATCHES && live.end(i)) deaths++;
      hashes.push(...(await streamHashes(loader, 1)));
      if (i % 100 === 99) memory.push(process.memoryUsage().rss);
    }
    expect(deaths).toBe(DEATHS);
    expect(hashes).toEqual(expected);
    expect(loader.metrics().batches).toBe(BATCHES);
    expect(loader.metrics().workerRestarts).toBeGreaterThan(DEATHS - 10);
    expect(loader.metrics().redone).toBeGreaterThan(DEATHS);
    // Every worker has megabytes of heap: keeping the dead ones would show as gigabytes.
    const [early, late] = [Math.max(...memory.slice(0, 5)), Math.max(...memory.slice(-5))];
    expect(late - early).toBeLessThan(150 * 1024 * 1024);
  });
});
