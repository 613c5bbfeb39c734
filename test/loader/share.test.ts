import { once } from 'node:events';
import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { beforeAll, describe, expect, it } from 'vitest';
import { ClosedError, connect, PatchLoader, type SharedLoader, share } from '../../src/index.ts';
import { caseFiles } from '../../src/store/file-names.ts';
import { loaderFixture } from '../fixtures/loader.ts';
import { makeStore } from '../fixtures/store.ts';
import { streamHashes, undisturbedHashes } from '../fixtures/stream.ts';

const { dir, options } = await loaderFixture({
  shapes: [
    [12, 20, 17],
    [16, 16, 16],
  ],
  batchSize: 4,
  seed: 2,
  ring: 6,
});
let expected: string[];

beforeAll(async () => {
  expected = await undisturbedHashes(options, 40);
});

function consumer(loader: PatchLoader, batches: number, end: 'close' | 'keep' | 'wait'): Worker {
  const port = share(loader);
  return new Worker(join(import.meta.dirname, 'consumer.ts'), { workerData: { port, batches, end }, transferList: [port] });
}

describe('a consumer in another thread', () => {
  it('sees the same batches, in shared memory, and gives them back without a message', async () => {
    await using loader = await PatchLoader.create(options);
    const worker = consumer(loader, 30, 'close');
    const exit = once(worker, 'exit');
    const [seen] = await once(worker, 'message');
    expect(seen).toMatchObject({ hashes: expected.slice(0, 30), shared: true, nextBatch: 30, metrics: { batches: 30, patches: 120 } });
    await exit;
  });

  it('shares the stream with others: each batch goes to one of them', async () => {
    await using loader = await PatchLoader.create(options);
    const workers = [consumer(loader, 15, 'close'), consumer(loader, 15, 'close')];
    const exits = Promise.all(workers.map((worker) => once(worker, 'exit')));
    const seen = await Promise.all(workers.map((worker) => once(worker, 'message')));
    expect(seen.flatMap(([{ hashes }]) => hashes).sort()).toEqual(expected.slice(0, 30).sort());
    await exits;
  });

  it('that ends without giving its batches back loses them to the ring', async () => {
    await using loader = await PatchLoader.create(options);
    // All but one of the ring's batches go with it.
    const worker = consumer(loader, 5, 'keep');
    await once(worker, 'exit');
    expect(await streamHashes(loader, 35)).toEqual(expected.slice(5));
  });

  it('cannot use what it held after it let go of the loader', async () => {
    await using loader = await PatchLoader.create(options);
    const shared = await connect(share(loader));
    const held = await shared.next();
    const waiting = [shared.next(), shared.next()];
    await shared.close();
    expect(() => held.data).toThrow(/it was disposed/);
    await Promise.allSettled(waiting);
    await expect(shared.next()).rejects.toThrow(/closed/);
    // Everything is back in the ring: the stream goes on for as long as one likes.
    expect((await streamHashes(loader, 20)).every((hash) => expected.includes(hash))).toBe(true);
  });

  it('comes to an end when the loader is closed', async () => {
    const loader = await PatchLoader.create(options);
    const worker = consumer(loader, 3, 'wait');
    const exit = once(worker, 'exit');
    await once(worker, 'message');
    const message = once(worker, 'message');
    await loader.close();
    // A batch that was on its way when the loader closed may still arrive.
    expect(['ended', 'got a batch']).toContain((await message)[0].after);
    await exit;
  });

  it('gets the errors of the loader with their fields', async () => {
    const broken = await makeStore(join(dir, 'broken'), { shapes: [[12, 12, 12]] });
    truncateSync(caseFiles(broken.dir, 'case_000').data, 500);
    await using loader = await PatchLoader.create({ ...options, store: broken });
    const worker = consumer(loader, 3, 'close');
    const exit = once(worker, 'exit');
    const [seen] = await once(worker, 'message');
    expect(seen).toMatchObject({ hashes: [], error: { name: 'SampleError', code: 'VOXFEED_SAMPLE_FAILED' } });
    await exit;
  });

  it('that comes after the loader was closed is told so', async () => {
    const loader = await PatchLoader.create(options);
    const port = share(loader);
    await loader.close();
    await using shared = await connect(port);
    await expect(shared.next()).rejects.toThrow(/loader: it is closed/);
    for await (const _ of shared) expect.fail('there was a batch');
  });
});

describe('whatever is asked of a shared loader', () => {
  const questions: Record<string, (shared: SharedLoader) => Promise<unknown>> = {
    next: (shared) => shared.next(),
    state: (shared) => shared.state(),
    metrics: (shared) => shared.metrics(),
    nextBatch: (shared) => shared.training.nextBatch,
    skipTo: (shared) => shared.training.skipTo(7),
  };
  const outcomes = async (shared: SharedLoader) =>
    Object.fromEntries(
      await Promise.all(
        Object.entries(questions).map(async ([name, ask]) => [name, await ask(shared).catch((error) => error.constructor)]),
      ),
    );
  const closed = Object.fromEntries(Object.keys(questions).map((name) => [name, ClosedError]));

  it('ends in a ClosedError once it is closed', async () => {
    await using loader = await PatchLoader.create(options);
    const shared = await connect(share(loader));
    await shared.close();
    expect(await outcomes(shared)).toEqual(closed);
  });

  it('ends in a ClosedError when the port is cut, on the way and afterwards', async () => {
    await using loader = await PatchLoader.create(options);
    const port = share(loader);
    await using shared = await connect(port);
    port.close();
    expect(await outcomes(shared)).toEqual(closed);
    expect(await outcomes(shared)).toEqual(closed);
  });

  it('is told, too, when the port is cut while it connects', async () => {
    await using loader = await PatchLoader.create(options);
    const port = share(loader);
    const connecting = connect(port);
    port.close();
    await expect(connecting).rejects.toThrow(ClosedError);
  });
});

describe('a validation stream', () => {
  const validated = { ...options, fold: 'all' as const, validation: true };

  it('is shared with the loader, and given back with it', async () => {
    await using reference = await PatchLoader.create(validated);
    const hashes = await streamHashes(reference.validation, 12);
    await using loader = await PatchLoader.create({ ...validated, validation: { ring: 3 } });
    const shared = await connect(share(loader));
    expect(await streamHashes(shared.validation, 5)).toEqual(hashes.slice(0, 5));
    expect(await shared.validation.nextBatch).toBe(5);
    expect(await streamHashes(shared, 5)).toEqual(expected.slice(0, 5));
    const held = [await shared.validation.next(), await shared.next(), await shared.validation.next()];
    expect(held.map(({ index }) => index)).toEqual([5, 5, 6]);
    await shared.close();
    expect(() => held[0].data).toThrow(/it was disposed/);
    expect(await streamHashes(loader.validation, 5)).toEqual(hashes.slice(7));
    expect(await streamHashes(loader, 10)).toEqual(expected.slice(6, 16));
  });

  it('that is not there cannot be asked for', async () => {
    await using loader = await PatchLoader.create(options);
    await using shared = await connect(share(loader));
    expect(() => shared.validation).toThrow(/the loader has no validation stream/);
  });
});

describe('a mixed stream', () => {
  it('comes with the configuration of each batch', async () => {
    const { patchSize: _, batchSize: __, ...base } = options;
    const configs = [
      { patchSize: [8, 8, 8], batchSize: 2, weight: 2 },
      { patchSize: [9, 7], batchSize: 3 },
    ];
    await using loader = await PatchLoader.create({ ...base, configs });
    await using shared = await connect(share(loader));
    const seen: string[] = [];
    for (let i = 0; i < 3; i++) {
      using batch = await shared.next();
      seen.push(`${batch.config}: ${batch.dataShape}, ${batch.data.length}`);
    }
    expect(seen).toEqual(['8x8x8: 2,1,8,8,8, 1024', '9x7: 3,1,9,7, 189', '8x8x8: 2,1,8,8,8, 1024']);
  });
});
