import { afterEach, describe, expect, it } from 'vitest';
import { WorkerError } from '../../src/common/errors.ts';
import type { Triple } from '../../src/common/geometry.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import { faultyLoader, forgetFaults } from '../fixtures/faulty-loader.ts';
import { LiveWorkers } from '../fixtures/live-workers.ts';
import { loaderFixture } from '../fixtures/loader.ts';
import { streamHashes, undisturbedHashes } from '../fixtures/stream.ts';

const SHAPES: Triple[] = [
  [12, 20, 17],
  [16, 16, 16],
  [10, 14, 12],
];
const BATCHES = 2000;
const DEATHS = 200;

describe(`${DEATHS} workers ended from outside over ${BATCHES} batches`, () => {
  it('change no byte, lose no batch and leave no memory behind', async () => {
    const { options } = await loaderFixture({
      shapes: SHAPES,
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

describe('workers that never come up again after all was well', () => {
  afterEach(forgetFaults);

  it('end the run', async () => {
    const { dir, options } = await loaderFixture({ shapes: SHAPES, batchSize: 4, seed: 11, workers: 1 });
    await using loader = await faultyLoader(
      dir,
      [
        { sample: 17, kind: 'exit', times: 1 },
        { sample: -1, kind: 'start', times: 1_000_000 },
      ],
      options,
    );
    const error: Error = await streamHashes(loader, 30).catch((reason) => reason);
    expect(error).toBeInstanceOf(WorkerError);
    expect(error.message).toMatch(/died 50 times in a row/);
  });
});
