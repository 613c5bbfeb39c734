import { createRequire, syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, it } from 'vitest';
import { PatchLoader } from '../../src/loader.ts';
import { folder } from '../fixtures/folder.ts';
import { makeStore } from '../fixtures/store.ts';
import { streamHashes } from '../fixtures/stream.ts';

const BATCHES = 2000;
const DEATHS = 200;

/** Every worker that anybody starts from here on, as long as it lives: to be ended without its pool being asked. */
const live = new Set<Worker>();
const threads = createRequire(import.meta.url)('node:worker_threads') as { Worker: typeof Worker };
const Original = threads.Worker;
threads.Worker = class extends Original {
  constructor(...parameters: ConstructorParameters<typeof Worker>) {
    super(...parameters);
    live.add(this);
    this.on('exit', () => live.delete(this));
  }
};
syncBuiltinESMExports();
afterAll(() => {
  threads.Worker = Original;
  syncBuiltinESMExports();
});

describe(`${DEATHS} workers ended from outside over ${BATCHES} batches`, () => {
  it('change no byte, lose no batch and leave no memory behind', async () => {
    const store = await makeStore(join(folder(), 'store'), {
      shapes: [
        [12, 20, 17],
        [16, 16, 16],
        [10, 14, 12],
      ],
    });
    const options = { store, patchSize: [12, 14, 10], batchSize: 4, seed: 5, workers: 2, ring: 8 };
    const undisturbed = await PatchLoader.create(options);
    const expected = await streamHashes(undisturbed, BATCHES);
    await undisturbed.close();

    await using loader = await PatchLoader.create(options);
    const hashes: string[] = [];
    const memory: number[] = [];
    let deaths = 0;
    for (let i = 0; i < BATCHES; i++) {
      // Whichever worker it hits, in whatever it is doing: idle, reading, or still starting up.
      const [victim] = [...live].slice(i % Math.max(1, live.size));
      if (victim !== undefined && deaths < (DEATHS * (i + 1)) / BATCHES) {
        // It lives until its thread has ended, but is dead already.
        live.delete(victim);
        void victim.terminate();
        deaths++;
      }
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
