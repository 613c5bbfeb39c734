import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { FileError, OptionError, StoreError } from '../../src/common/errors.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import type { LoaderOptions } from '../../src/loader/options/options.ts';
import { replay } from '../../src/loader/replay.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { verifyStore } from '../../src/store/verify.ts';
import { type Asked, type Fault, FileServer } from '../fixtures/file-server.ts';
import { fullDisk } from '../fixtures/full-disk.ts';
import { loaderFixture, SHAPES } from '../fixtures/loader.ts';
import { writePlans } from '../fixtures/plans.ts';
import { makeRawDataset, randomCase } from '../fixtures/raw-dataset.ts';
import { makeStore } from '../fixtures/store.ts';
import { streamHashes, undisturbedHashes } from '../fixtures/stream.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { Warnings } from '../fixtures/warnings.ts';

const { XDG_CACHE_HOME } = process.env;
process.env.XDG_CACHE_HOME = temporaryFolder();
afterAll(() => {
  if (XDG_CACHE_HOME === undefined) delete process.env.XDG_CACHE_HOME;
  else process.env.XDG_CACHE_HOME = XDG_CACHE_HOME;
});

/** A program of its own. */
const STREAM_HASH = join(import.meta.dirname, 'stream-hash.ts');
const BATCHES = 8;
const { store, options } = await loaderFixture({ cacheBytes: 0, workers: 1 });
const expected = await undisturbedHashes(options, BATCHES);

const localCache = () => ({ dir: join(temporaryFolder(), 'cache'), bytes: 1e9 });
const at = (opened: Store, given: Partial<LoaderOptions> = {}): LoaderOptions => ({
  ...options,
  store: opened,
  localCache: localCache(),
  ...given,
});
const serve = (fault?: (asked: Asked, count: number) => Fault | undefined): Promise<FileServer> => FileServer.start(store.dir, fault);

/** A copy of the store that may be changed. */
function copyOfStore(): string {
  const dir = join(temporaryFolder(), 'store');
  mkdirSync(dir);
  cpSync(store.dir, dir, { recursive: true });
  return dir;
}

describe('a store at an address', () => {
  it('is the same as in a folder, and each file comes once', async () => {
    await using server = await serve();
    const opened = await openStore(`${server.address}/`);
    expect(opened.dir).toBe(server.address);
    expect(opened.hash).toBe(store.hash);
    expect(opened.cases).toEqual(store.cases);
    const given = at(opened);
    expect(await undisturbedHashes(given, BATCHES)).toEqual(expected);
    expect(await undisturbedHashes(given, BATCHES)).toEqual(expected);
    const counts = server.counts();
    for (const { id } of store.cases) expect([counts[`${id}.npy`], counts[`${id}_seg.npy`], counts[`${id}.msgpack`]]).toEqual([1, 1, 1]);
  });

  it('may be of .b2nd files', async () => {
    const dir = temporaryFolder();
    const cases = ['a', 'b'].map((id, i) => randomCase(id, [12, 14, 16], { seed: i + 1, sparse: true }));
    const plans = writePlans(join(dir, 'plans.json'));
    await preprocess(makeRawDataset(join(dir, 'raw'), { cases }), join(dir, 'store'), { workers: 1, plans, arrays: 'b2nd' });
    const here = await openStore(join(dir, 'store'));
    await using server = await FileServer.start(here.dir);
    const given = { ...options, patchSize: [8, 9, 10], oversample: 0.5 };
    const found = await undisturbedHashes({ ...given, store: await openStore(server.address), localCache: localCache() }, BATCHES);
    expect(found).toEqual(await undisturbedHashes({ ...given, store: here }, BATCHES));
  });

  it.each<[string, Fault, string]>([
    ['missing', { status: 404 }, 'the file is missing (HTTP 404)'],
    ['others', { contents: Buffer.alloc(8 * SHAPES.length) }, 'its contents are not those that the index lists'],
  ])('has its numbers of class locations named where they are %s', async (_, fault, what) => {
    await using server = await serve(({ name }) => (name === 'voxfeed.counts' ? fault : undefined));
    await expect(openStore(server.address)).rejects.toMatchObject({ where: `${server.address}/voxfeed.counts`, what });
  });

  it('comes through whatever passes on the way', async () => {
    const faults: Fault[] = [{ status: 503 }, { cutAfter: 300 }];
    await using server = await serve(({ name }, count) => (name.startsWith('case_001') ? faults[count] : undefined));
    expect(await undisturbedHashes(at(await openStore(server.address)), BATCHES)).toEqual(expected);
  });

  it('is streamed with nobody at the other end, once all of it has come', async () => {
    const server = await serve();
    const { address } = server;
    const given = at(await openStore(address));
    await undisturbedHashes(given, BATCHES);
    await server[Symbol.asyncDispose]();
    using warnings = new Warnings();
    const again = await openStore(address);
    expect(await warnings.seen()).toEqual([
      expect.stringMatching(/voxfeed\.json: it cannot be had: .* What is known of the store is used/),
    ]);
    expect(await undisturbedHashes({ ...given, store: again }, BATCHES)).toEqual(expected);
    const { after } = await replay({ ...given, store: again }, 7);
    expect(after.data).toEqual((await replay(options, 7)).after.data);
  });

  it('whose files here are damaged while nobody answers says what helps, and is renewed by it', async () => {
    const server = await serve();
    const { address } = server;
    const { aboutDir } = await openStore(address);
    const counts = join(aboutDir, 'voxfeed.counts');
    const whole = readFileSync(counts);
    writeFileSync(counts, whole.subarray(1));
    expect((await openStore(address)).aboutDir).toBe(aboutDir);
    expect(readFileSync(counts)).toEqual(whole);
    writeFileSync(counts, whole.subarray(1));
    await server[Symbol.asyncDispose]();
    using _ = new Warnings();
    await expect(openStore(address)).rejects.toMatchObject({
      name: 'StoreError',
      where: counts,
      action: expect.stringMatching(/^Open the store once while it can be reached/),
    });
  });

  it('comes once for processes that run at the same time, as ranks do', async () => {
    await using server = await serve();
    const { store: _, ...given } = at(store);
    const run = async (dir: string, options: object): Promise<string> =>
      (await promisify(execFile)(process.execPath, [STREAM_HASH, dir, JSON.stringify(options), String(BATCHES)])).stdout;
    const { localCache: __, ...plain } = given;
    const hashes = await Promise.all([run(server.address, given), run(server.address, given), run(store.dir, plain)]);
    expect(new Set(hashes).size).toBe(1);
    for (const { id } of store.cases) expect(server.counts()[`${id}.npy`]).toBe(1);
  });

  it('that was changed since it was opened is not mixed with what it was', async () => {
    const dir = copyOfStore();
    await using server = await FileServer.start(dir);
    const opened = await openStore(server.address);
    rmSync(dir, { recursive: true });
    await makeStore(dir, { shapes: SHAPES, label: () => 1 });
    await using loader = await PatchLoader.create(at(opened));
    await expect(streamHashes(loader, BATCHES)).rejects.toMatchObject({
      name: 'StoreError',
      where: `${server.address}/voxfeed.json`,
      what: 'the store was changed since it was opened',
    });
    const anew = await openStore(server.address);
    expect(anew.hash).not.toBe(store.hash);
    const given = at(anew);
    expect(await undisturbedHashes(given, 2)).toEqual(await undisturbedHashes({ ...options, store: await openStore(dir) }, 2));
  });

  it.each<[string, (asked: Asked) => Fault | undefined, typeof StoreError | typeof FileError, RegExp]>([
    [
      'is missing',
      ({ name }) => (name === 'case_002_seg.npy' ? { status: 404 } : undefined),
      StoreError,
      /case_002_seg\.npy: the file is missing/,
    ],
    [
      'is for some only',
      ({ name }) => (name === 'case_002.npy' ? { status: 403 } : undefined),
      FileError,
      /case_002\.npy: nobody without leave/,
    ],
    [
      'is cut off',
      ({ name }) => (name === 'case_002.npy' ? { contents: Buffer.alloc(9) } : undefined),
      StoreError,
      /it holds 9 bytes instead of/,
    ],
    [
      'is damaged',
      ({ name }) => (name === 'case_002.msgpack' ? { contents: Buffer.alloc(9) } : undefined),
      StoreError,
      /case_002\.msgpack: .*damaged|not a case/,
    ],
  ])('ends the stream with its address where a file %s', async (_, fault, Kind, message) => {
    await using server = await serve(fault);
    await using loader = await PatchLoader.create(at(await openStore(server.address)));
    const failure = streamHashes(loader, 50);
    await expect(failure).rejects.toBeInstanceOf(Kind);
    await expect(failure).rejects.toThrow(message);
    await expect(failure).rejects.toThrow(server.address);
  });

  it('ends the stream where the local disk is full: nothing else could be read', async () => {
    await using server = await serve();
    const opened = await openStore(server.address);
    using _ = await fullDisk();
    await using loader = await PatchLoader.create(at(opened));
    await expect(loader.next()).rejects.toMatchObject({ name: 'FileError', what: expect.stringMatching(/ENOSPC/) });
  });

  it('is what bounds the stream while its cases come, and not afterwards', async () => {
    let stuck = true;
    await using server = await serve(({ name }) => (stuck && name.endsWith('_seg.npy') ? { silentAfter: 0 } : undefined));
    const given = at(await openStore(server.address));
    {
      await using loader = await PatchLoader.create(given);
      const { bound, measured } = await loader.diagnose({ seconds: 0.2, consumerMs: 0 });
      expect(bound).toBe('copying');
      expect(measured.batches).toBe(0);
      expect(measured.copying).toBeGreaterThan(0.5);
    }
    stuck = false;
    await using loader = await PatchLoader.create(given);
    await streamHashes(loader, BATCHES);
    await loader.close();
    await using again = await PatchLoader.create(given);
    await streamHashes(again, BATCHES);
    expect(server.counts()['case_000_seg.npy']).toBe(2);
  });

  it('closes at once while files come', async () => {
    await using server = await serve(({ name }) => (name.endsWith('.npy') ? { silentAfter: 10 } : undefined));
    await using loader = await PatchLoader.create(at(await openStore(server.address)));
    const next = loader.next();
    next.catch(() => {});
    await loader.close();
    await expect(next).rejects.toMatchObject({ name: 'ClosedError' });
  });

  it('is no store where there is no index', async () => {
    await using server = await FileServer.start(temporaryFolder());
    await expect(openStore(server.address)).rejects.toMatchObject({
      name: 'StoreError',
      where: server.address,
      what: 'there is no store at this address: voxfeed.json: the file is missing (HTTP 404)',
      action: 'Give that of the folder that holds voxfeed.json',
    });
  });

  it.each(['<!DOCTYPE html>\n<p>Not found', '', 'Log in first'])(
    'is no store where something else comes in place of its index: %j',
    async (page) => {
      await using server = await serve(() => ({ contents: Buffer.from(page) }));
      await expect(openStore(server.address)).rejects.toMatchObject({
        name: 'StoreError',
        where: server.address,
        what: 'there is no store at this address: what comes as voxfeed.json is something else',
        action: 'Give that of the folder that holds voxfeed.json',
      });
    },
  );

  it('is to be copied there again where its index is damaged', async () => {
    await using server = await serve(({ name }) => (name === 'voxfeed.json' ? { contents: Buffer.from('{"format": "vox') } : undefined));
    await expect(openStore(server.address)).rejects.toMatchObject({
      name: 'StoreError',
      where: `${server.address}/voxfeed.json`,
      what: expect.stringMatching(/^it is not JSON/),
      action: expect.stringMatching(/^Copy the whole store there again/),
    });
  });

  it('is not opened where the JSON files cannot be kept, and says where else they may lie', async () => {
    await using server = await serve();
    const home = process.env.XDG_CACHE_HOME;
    process.env.XDG_CACHE_HOME = '/proc/cache';
    try {
      await expect(openStore(server.address)).rejects.toMatchObject({
        name: 'FileError',
        where: '/proc/cache',
        action: expect.stringMatching(/^Set XDG_CACHE_HOME to a folder that can be written/),
      });
    } finally {
      process.env.XDG_CACHE_HOME = home;
    }
  });

  it('needs a local cache, and is verified where it lies', async () => {
    await using server = await serve();
    const opened = await openStore(server.address);
    await expect(PatchLoader.create({ ...options, store: opened })).rejects.toThrow(OptionError);
    await expect(PatchLoader.create({ ...options, store: opened })).rejects.toThrow(/^localCache: the store is at http/);
    await expect(replay({ ...options, store: opened }, 1)).rejects.toThrow(/^localCache: the store is at http/);
    expect(() => opened.sidecar(0)).toThrow(StoreError);
    await expect(verifyStore(server.address)).rejects.toMatchObject({ name: 'OptionError', where: 'dir' });
  });
});
