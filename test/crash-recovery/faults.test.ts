import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SampleError, WorkerError } from '../../src/common/errors.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import type { LoaderOptions } from '../../src/loader/options/options.ts';
import { faultyLoader, forgetFaults } from '../fixtures/faulty-loader.ts';
import type { Faults } from '../fixtures/faulty-worker.ts';
import { loaderFixture } from '../fixtures/loader.ts';
import { streamHashes, undisturbedHashes } from '../fixtures/stream.ts';

const { dir, options } = await loaderFixture({
  shapes: [
    [12, 20, 17],
    [16, 16, 16],
    [10, 14, 12],
  ],
  batchSize: 4,
  seed: 11,
});
let expected: string[];

beforeAll(async () => {
  expected = await undisturbedHashes(options, 30);
});

afterEach(forgetFaults);

const faulty = (faults: Faults['faults'], more: Partial<LoaderOptions> = {}): Promise<PatchLoader> =>
  faultyLoader(dir, faults, { ...options, ...more });

describe('a worker that fails once', () => {
  it.each(['exit', 'throw', 'uncaught', 'out of memory'] as const)('(%s) is not noticed in the stream', async (kind) => {
    await using loader = await faulty([{ sample: 17, kind, times: 1 }]);
    expect(await streamHashes(loader, 30)).toEqual(expected);
    const { redone, workerRestarts } = loader.metrics();
    expect(redone).toBeGreaterThanOrEqual(1);
    expect(workerRestarts).toBe(kind === 'throw' ? 0 : 1);
  });

  it('over many samples, with one worker and a ring of one batch, is not noticed either', async () => {
    const faults = [3, 4, 5, 40, 77, 78].map((sample) => ({ sample, kind: 'exit', times: 1 }) as const);
    await using loader = await faulty(faults, { workers: 1, ring: 1 });
    expect(await streamHashes(loader, 30)).toEqual(expected);
    expect(loader.metrics().workerRestarts).toBe(faults.length);
  });

  it('and whose replacements die while they start is replaced until one lives', async () => {
    await using loader = await faulty(
      [
        { sample: 17, kind: 'exit', times: 1 },
        { sample: -1, kind: 'start', times: 4 },
      ],
      { workers: 1 },
    );
    expect(await streamHashes(loader, 30)).toEqual(expected);
    expect(loader.metrics().workerRestarts).toBeGreaterThan(1);
  });
});

describe('a sample that fails again and again', () => {
  it.each([
    { kind: 'throw', times: 2, count: 'twice', cause: 'this sample does not please' },
    { kind: 'uncaught', times: 2, count: 'twice', cause: 'nobody caught this' },
    { kind: 'exit', times: 5, count: '5 times', cause: 'exited with code: 3' },
  ] as const)(
    '($kind) ends the run after $times times with one error that names case, box and cause',
    async ({ kind, times, count, cause }) => {
      await using loader = await faulty([{ sample: 17, kind, times }]);
      // Sample 17 belongs to batch 4; the batches before it are still handed out.
      expect(await streamHashes(loader, 4)).toEqual(expected.slice(0, 4));
      const error: Error = await loader.next().catch((reason) => reason);
      expect(error).toBeInstanceOf(SampleError);
      expect(error.message).toMatch(
        new RegExp(`^sample 17 \\(case case_00\\d, box from \\[.*\\], shape \\[8, 9, 10\\]\\): it failed ${count}`),
      );
      expect(error.message).toContain(cause);
      await expect(loader.next()).rejects.toBe(error);
      expect(loader.state().nextBatch).toBe(4);
    },
  );
});

describe('workers that never come up', () => {
  it('are an error, not a hang', async () => {
    await expect(PatchLoader.create(options, join(dir, 'no-such-worker.ts'))).rejects.toThrow(WorkerError);
    await expect(PatchLoader.create(options, join(dir, 'no-such-worker.ts'))).rejects.toThrow(
      /a worker thread cannot start .*no-such-worker/,
    );
  });
});
