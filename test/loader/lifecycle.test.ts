import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { beforeAll, describe, expect, it } from 'vitest';
import { ClosedError } from '../../src/common/errors.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import { LiveWorkers } from '../fixtures/live-workers.ts';
import { loaderFixture } from '../fixtures/loader.ts';
import { makeStore } from '../fixtures/store.ts';
import { streamHashes } from '../fixtures/stream.ts';

/** What a script of its own imports, quoted. */
const SOURCE = JSON.stringify(pathToFileURL(join(import.meta.dirname, '../../src/index.ts')).href);
const { dir, store, options } = await loaderFixture();

describe('waiting', () => {
  it('can be given up without losing a batch', async () => {
    await using loader = await PatchLoader.create({ ...options, ring: 1 });
    const first = await loader.next();
    const abort = new AbortController();
    const givenUp = loader.next({ signal: abort.signal });
    abort.abort(new Error('changed my mind'));
    await expect(givenUp).rejects.toThrow('changed my mind');
    await expect(loader.next({ signal: AbortSignal.abort(new Error('already')) })).rejects.toThrow('already');
    first.dispose();
    expect((await loader.next()).index).toBe(1);
  });

  it('is served in the order of asking', async () => {
    await using loader = await PatchLoader.create(options);
    const batches = await Promise.all([loader.next(), loader.next(), loader.next()]);
    expect(batches.map(({ index }) => index)).toEqual([0, 1, 2]);
  });

  it('ends when the loader is closed, and so does every later call', async () => {
    const loader = await PatchLoader.create({ ...options, ring: 1 });
    await loader.next();
    const waiting = loader.next();
    await Promise.all([loader.close(), expect(waiting).rejects.toThrow(ClosedError)]);
    await expect(loader.next()).rejects.toThrow(/create a new one/i);
    await loader.close();
  });

  it('in a loop ends without an error when the loader is closed', async () => {
    const loader = await PatchLoader.create(options);
    let count = 0;
    for await (using _ of loader) if (++count === 5) void loader.close();
    expect(count).toBe(5);
  });
});

describe('a closed loader', () => {
  it('leaves no worker, no memory and no new worker behind', async () => {
    using live = new LiveWorkers();
    const collected: WeakRef<SharedArrayBuffer>[] = [];
    // At once, so that none takes the memory of another.
    const loaders = await Promise.all(Array.from({ length: 6 }, () => PatchLoader.create({ ...options, workers: 1 })));
    for (const loader of loaders.splice(0)) {
      await streamHashes(loader, 3);
      collected.push(new WeakRef(loader.shared().buffer));
      loader.next().catch(() => {});
      await loader.close();
    }
    expect(live.size).toBe(0);
    await new Promise((done) => setTimeout(done, 500));
    expect(live.size).toBe(0);
    setFlagsFromString('--expose-gc');
    for (let i = 0; i < 20 && collected.some((buffer) => buffer.deref() !== undefined); i++) {
      runInNewContext('gc')();
      await new Promise((done) => setTimeout(done, 20));
    }
    // The last ones may still be on some stack; a leak would keep all.
    expect(collected.filter((buffer) => buffer.deref() !== undefined).length).toBeLessThanOrEqual(2);
  });
});

/** Runs a module in a process of its own, which has no memories of other loaders; it prints what it finds as JSON. */
function alone(body: string): unknown {
  const code = `
    import { openStore, PatchLoader } from ${SOURCE};
    const store = await openStore(${JSON.stringify(store.dir)});
    const open = (options) => PatchLoader.create({ store, patchSize: [8, 9, 10], batchSize: 6, seed: 7, workers: 1, ...options });
    /** Copies of the next batches. */
    const take = async (loader, count = 4) => {
      const seen = [];
      for (let i = 0; i < count; i++) { using batch = await loader.next(); seen.push([...batch.data, ...batch.target].join()); }
      return seen.join();
    };
    ${body}`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', code], { encoding: 'utf8', timeout: 60_000 });
  return stdout === '' ? stderr : JSON.parse(stdout);
}

describe('the memory of a closed loader', () => {
  it('is for the next one, which finds nothing in it, and for a larger one, in which it grows', () => {
    const found = alone(`
      const first = await open({ ring: 2 });
      const { buffer } = first.shared();
      const expected = await take(first);
      await first.close();
      new Uint8Array(buffer).fill(255);
      const second = await open({ ring: 2 });
      const same = second.shared().buffer === buffer && (await take(second)) === expected;
      await second.close();
      const third = await open({ ring: 3, batchSize: 9 });
      const large = third.shared().buffer;
      const fresh = await take(await open({ ring: 3, batchSize: 9 }));
      const grown = large.byteLength > buffer.byteLength && (await take(third)) === fresh;
      const words = new Int32Array(buffer);
      words[words.length - 1] = 12345;
      const shared = new Int32Array(large)[words.length - 1] === 12345;
      console.log(JSON.stringify({ same, grown, shared }));
      process.exit();`);
    expect(found).toEqual({ same: true, grown: true, shared: true });
  });

  it('waits for batches that are held, and what is done with the old loader does nothing to the new one', () => {
    const found = alone(`
      const first = await open({});
      const batch = await first.next();
      const { buffer } = first.shared();
      const before = batch.data.join();
      await first.close();
      const second = await open({ seed: 8 });
      await take(second, 10);
      const apart = second.shared().buffer !== buffer && batch.data.join() === before;
      batch.dispose();
      const third = await open({ seed: 9 });
      const taken = third.shared().buffer === buffer;
      using held = await third.next();
      const mine = held.data.join();
      batch.dispose();
      first.training.skipTo(50);
      await first.close();
      await take(third, 10);
      console.log(JSON.stringify({ apart, taken, kept: held.data.join() === mine }));
      process.exit();`);
    expect(found).toEqual({ apart: true, taken: true, kept: true });
  });

  it('is not touched by a consumer of the closed loader that ends later', () => {
    const found = alone(`
      import { once } from 'node:events';
      import { Worker } from 'node:worker_threads';
      import { share } from ${SOURCE};
      const first = await open({});
      const port = share(first);
      const consumer = new Worker(\`
        const { parentPort, workerData } = process.getBuiltinModule('node:worker_threads');
        import(${SOURCE}).then(async ({ connect }) => {
          const loader = await connect(workerData.port);
          for (let i = 0; i < 3; i++) { const batch = await loader.next(); batch.dispose(); }
          parentPort.postMessage('done');
          setInterval(() => {}, 1000);
        });\`, { eval: true, workerData: { port }, transferList: [port] });
      await once(consumer, 'message');
      const { buffer } = first.shared();
      await first.close();
      const second = await open({ seed: 8 });
      // The same batches in the same places as those that the consumer had.
      const held = [await second.next(), await second.next(), await second.next()];
      const before = held.map(({ data }) => data.join());
      await consumer.terminate();
      await new Promise((done) => setTimeout(done, 200));
      const waiting = second.next({ signal: AbortSignal.timeout(300) }).then((next) => next.dispose(), () => {});
      await waiting;
      const kept = held.every(({ data }, i) => data.join() === before[i]);
      console.log(JSON.stringify({ reused: second.shared().buffer === buffer, kept }));
      process.exit();`);
    expect(found).toEqual({ reused: true, kept: true });
  });
});

describe('several loaders at once', () => {
  it('share the descriptors of the process without failing', () => {
    const code = `
      import { openStore, PatchLoader } from ${SOURCE};
      const store = await openStore(${JSON.stringify(join(dir, 'many'))});
      const open = (seed) => PatchLoader.create({ store, patchSize: [4, 4, 4], batchSize: 50, seed, workers: 2, cacheBytes: 0 });
      await using train = await open(1);
      await using validation = await open(2);
      for (let i = 0; i < 40; i++) { using a = await train.next(); using b = await validation.next(); }
      console.log('done');`;
    const run = spawnSync('sh', ['-c', 'ulimit -n 160; exec "$0" "$@"', process.execPath, '--input-type=module', '--eval', code], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect({ stdout: run.stdout, stderr: run.stderr, status: run.status }).toEqual({ stdout: 'done\n', stderr: '', status: 0 });
  });

  beforeAll(() => makeStore(join(dir, 'many'), { shapes: Array(120).fill([4, 4, 4]) }));
});

describe('the process', () => {
  const script = (body: string): string => `
    import { openStore, PatchLoader } from ${SOURCE};
    const loader = await PatchLoader.create({ store: await openStore(${JSON.stringify(store.dir)}), patchSize: [8, 8, 8], batchSize: 2, workers: 2 });
    ${body}`;
  const run = (body: string) =>
    spawnSync(process.execPath, ['--input-type=module', '--eval', script(body)], { encoding: 'utf8', timeout: 30_000 });

  it.each([
    ['after close', 'for await (using batch of loader) if (batch.index === 3) break; await loader.close(); console.log("done");'],
    ['without close, once nobody asks for batches', 'using batch = await loader.next(); console.log("done");'],
    [
      'when it is closed with batches under way',
      'loader.next().catch(() => {}); loader.next().catch(() => {}); await loader.close(); console.log("done");',
    ],
  ])('exits by itself %s', (_, body) => {
    const { stdout, stderr, status, signal } = run(body);
    expect({ stdout, stderr, status, signal }).toEqual({ stdout: 'done\n', stderr: '', status: 0, signal: null });
  });
});
