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
    for (let i = 0; i < 6; i++) {
      const loader = await PatchLoader.create(options);
      await streamHashes(loader, 3);
      collected.push(new WeakRef(loader.shared().buffer));
      loader.next().catch(() => {});
      await loader.close();
      expect(live.size).toBe(0);
    }
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
