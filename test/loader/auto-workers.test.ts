import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import threads from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { VoxfeedEvents } from '../../src/common/channels.ts';
import { availableCores } from '../../src/common/granted.ts';
import type { Machine } from '../../src/common/machine.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import { resolveOptions } from '../../src/loader/options/options.ts';
import { forgetFaults, withFaults } from '../fixtures/faulty-loader.ts';
import { LiveWorkers } from '../fixtures/live-workers.ts';
import { loaderFixture } from '../fixtures/loader.ts';
import { hashOf, undisturbedHashes } from '../fixtures/stream.ts';
import { Warnings } from '../fixtures/warnings.ts';

// A machine of four cores, as far as quotas let it.
vi.spyOn(os, 'availableParallelism').mockReturnValue(4);
syncBuiltinESMExports();
const most = availableCores();

const { dir, options: base } = await loaderFixture({ batchSize: 3 });
const module = join(dir, 'sleep.mjs');
writeFileSync(module, 'export default { apply() { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3); } };');
const options = { ...base, augmentation: [{ transform: 'custom' as const, module, probability: 1 }] };
const auto = { ...options, ring: 6, workers: 'auto' as const };

const machine: Machine = { cores: 8, memoryBytes: 1e10, totalBytes: 1e10, idleMs: () => 8 * performance.now(), queuedMs: () => null };
const BATCHES = 140;
let expected: string[];

/** Numbers of workers, one after the other. */
const counts: number[] = [];
const hear = (event: unknown): void => void counts.push((event as VoxfeedEvents['voxfeed:workers']).workers);

beforeAll(async () => {
  expected = await undisturbedHashes({ ...options, workers: 2 }, BATCHES);
});

afterAll(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

afterEach(() => {
  counts.length = 0;
  unsubscribe('voxfeed:workers', hear);
  forgetFaults();
});

/** Hashes of the stream for a consumer that is in a hurry until there are most workers, and takes its time until one is spared, in turn. */
async function takeTurns(loader: PatchLoader, onBatch: (batch: number) => void = () => {}): Promise<string[]> {
  subscribe('voxfeed:workers', hear);
  const hashes: string[] = [];
  let hurries = true;
  for (let i = 0; i < BATCHES; i++) {
    using batch = await loader.next();
    hashes.push(await hashOf(batch));
    onBatch(i);
    hurries = hurries ? loader.metrics().workers < most : loader.metrics().workers < most - 1;
    if (!hurries) await wait(30);
  }
  return hashes;
}

describe("workers: 'auto'", () => {
  it('begins with one, grows and shrinks while samples are in flight, and changes no batch', async () => {
    using live = new LiveWorkers();
    await using loader = await PatchLoader.create(auto, undefined, null, { machine, everyMs: 20 });
    expect([loader.metrics().workers, live.size]).toEqual([1, 1]);
    expect(await takeTurns(loader)).toEqual(expected);
    expect(Math.max(...counts)).toBe(most);
    // It has grown again after it had shrunk.
    const shrunk = counts.findIndex((count, i) => count < (counts[i - 1] ?? 1));
    expect(shrunk).toBeGreaterThan(0);
    expect(counts.slice(shrunk).some((count, i, after) => count > (after[i - 1] ?? count))).toBe(true);
    // Whoever has left is no death.
    expect(loader.metrics()).toMatchObject({ workerRestarts: 0, redone: 0, workers: counts.at(-1) });
    await vi.waitFor(() => expect(live.size).toBe(loader.metrics().workers));
  });

  it('changes no batch where workers die, too', async () => {
    using live = new LiveWorkers();
    const faults = [10, 151, 180].map((sample) => ({ sample, kind: 'exit' as const, times: 1 }));
    await using loader = await PatchLoader.create(auto, withFaults(dir, faults), null, { machine, everyMs: 20 });
    const hashes = await takeTurns(loader, (batch) => {
      if (batch % 50 === 49) live.end(batch);
    });
    expect(hashes).toEqual(expected);
    expect(Math.max(...counts)).toBeGreaterThan(1);
    expect(loader.metrics().workerRestarts).toBeGreaterThanOrEqual(faults.length);
  });

  it('leaves cores to others: it stays at one where none idles', async () => {
    const busy = { ...machine, idleMs: () => 0 };
    await using loader = await PatchLoader.create(auto, undefined, null, { machine: busy, everyMs: 20 });
    subscribe('voxfeed:workers', hear);
    for (let i = 0; i < 30; i++) (await loader.next()).dispose();
    expect(counts).toEqual([]);
  });

  it('goes on with those that there are where the system gives no more threads, and says so once', async () => {
    using warnings = new Warnings();
    await using loader = await PatchLoader.create(auto, undefined, null, { machine, everyMs: 10 });
    const refusal = Object.assign(new Error('EAGAIN'), { code: 'ERR_WORKER_INIT_FAILED' });
    using _threads = vi.spyOn(threads, 'Worker').mockImplementation(function refuse() {
      throw refusal;
    });
    syncBuiltinESMExports();
    subscribe('voxfeed:workers', hear);
    for (let i = 0; i < 30; i++) (await loader.next()).dispose();
    expect(counts.length).toBeGreaterThan(1);
    expect(loader.metrics().workers).toBe(1);
    expect(await warnings.seen()).toEqual(['There are no more than 1 workers: the system starts no more threads (EAGAIN).']);
  });

  it('plans memory for as many as there are cores for, shared by the ranks of a machine', () => {
    expect(resolveOptions(auto)).toMatchObject({ workers: most, autoWorkers: true });
    expect(resolveOptions({ ...auto, rank: 0, worldSize: 3 })).toMatchObject({ workers: 1, autoWorkers: true });
    expect(resolveOptions({ ...auto, workers: 3 })).toMatchObject({ workers: 3, autoWorkers: false });
    expect(() => resolveOptions({ ...auto, workers: 'many' as never })).toThrow(
      /workers: "many" is not a whole number from 1 to 256, or 'auto'/,
    );
  });
});
