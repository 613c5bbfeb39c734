import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FileError, OptionError } from '../../src/common/errors.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import { readLocalCache } from '../../src/loader/options/local-cache.ts';
import type { LoaderOptions } from '../../src/loader/options/options.ts';
import { replay } from '../../src/loader/replay.ts';
import { caseFiles } from '../../src/store/file-names.ts';
import { openStore } from '../../src/store/store.ts';
import { Copies } from '../fixtures/copies.ts';
import { fullDisk } from '../fixtures/full-disk.ts';
import { killInWrite } from '../fixtures/kill.ts';
import { loaderFixture } from '../fixtures/loader.ts';
import { nnunetFolderOf } from '../fixtures/nnunet-folder.ts';
import { hashOf, streamHashes, undisturbedHashes } from '../fixtures/stream.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { Warnings } from '../fixtures/warnings.ts';

const BATCHES = 12;
// Nothing is kept in memory, so that all is read from files.
const { dir, store, options } = await loaderFixture({ cacheBytes: 0, augmentation: 'default', ring: 3, workers: 1 });
const expected = await undisturbedHashes(options, BATCHES);
const ENOUGH = 1e9;
const largest = Math.max(...store.cases.map(({ files }) => files.data.bytes + files.segmentation.bytes));

const cached = (
  bytes = ENOUGH,
  cacheDir = join(temporaryFolder(), 'cache'),
): LoaderOptions & { localCache: { dir: string; bytes: number } } => ({
  ...options,
  localCache: { dir: cacheDir, bytes },
});

/** What the items in a cache take, and whatever loaders have there. */
function inCache(cacheDir: string): { bytes: number; sessions: string[]; partial: string[] } {
  const items = readdirSync(join(cacheDir, 'items'));
  return {
    bytes: items.reduce((sum, name) => sum + Number(name.split('-')[1]), 0),
    sessions: readdirSync(join(cacheDir, 'sessions')),
    partial: items.filter((name) => !/^[0-9a-f]{16}-\d+$/.test(name)),
  };
}

describe('a local cache', () => {
  it('changes no byte of the stream, and has each case copied once', async () => {
    using copies = new Copies();
    const with_ = cached();
    expect(await undisturbedHashes(with_, BATCHES)).toEqual(expected);
    // Arrays and sidecar.
    expect(copies.cases.toSorted()).toEqual(store.cases.flatMap(({ id }) => [id, id]));
    expect(await undisturbedHashes(with_, BATCHES)).toEqual(expected);
    expect(copies.cases).toHaveLength(2 * store.cases.length);
    expect(inCache(with_.localCache.dir)).toMatchObject({ sessions: [], partial: [] });
  });

  it('is all that is read once every case is there', async () => {
    const with_ = cached();
    await undisturbedHashes(with_, BATCHES);
    const moved = await loaderFixture();
    for (const { id } of moved.store.cases) for (const path of Object.values(caseFiles(moved.store.dir, id))) rmSync(path);
    expect(moved.store.hash).toBe(store.hash);
    expect(await undisturbedHashes({ ...with_, store: moved.store }, BATCHES)).toEqual(expected);
  });

  it('with room for one case makes the same stream, and keeps within its bounds', async () => {
    using copies = new Copies();
    // One sample after the other: nobody has any other case meanwhile.
    const one = { batchSize: 1, ring: 1 };
    const with_ = { ...cached(largest), ...one };
    expect(await undisturbedHashes(with_, BATCHES)).toEqual(await undisturbedHashes({ ...options, ...one }, BATCHES));
    // Cases that had left come again.
    expect(copies.cases.length).toBeGreaterThan(2 * store.cases.length);
    expect(inCache(with_.localCache.dir).bytes).toBeLessThanOrEqual(largest);
  });

  it('serves validation, exposures and mixed configurations', async () => {
    const mixed: LoaderOptions = {
      ...options,
      patchSize: undefined,
      batchSize: undefined,
      exposure: { one: 0.4 },
      configs: [
        { patchSize: [8, 9, 10], batchSize: 3 },
        { patchSize: [7, 7], batchSize: 4 },
      ],
      cases: { training: store.cases.slice(0, 3).map(({ id }) => id), validation: store.cases.slice(1).map(({ id }) => id) },
      validation: { exposure: null },
    } as never;
    const both = async (given: LoaderOptions): Promise<string[]> => {
      await using loader = await PatchLoader.create(given);
      return [...(await streamHashes(loader, 6)), ...(await streamHashes(loader.validation, 4))];
    };
    expect(await both({ ...mixed, localCache: cached().localCache })).toEqual(await both(mixed));
  });

  it.each(['b2nd', 'npy', 'npz'] as const)("serves nnU-Net's folders of .%s", async (format) => {
    const folder = nnunetFolderOf(store, join(temporaryFolder(), format), format);
    const nnunet = { ...options, store: await openStore(folder), cacheBytes: format === 'npz' ? 1e8 : 0 };
    const { localCache } = cached();
    expect(await undisturbedHashes({ ...nnunet, localCache }, 6)).toEqual(await undisturbedHashes(nnunet, 6));
    expect(inCache(localCache.dir).bytes).toBeGreaterThan(0);
  });

  it('is shared by loaders that run at once', async () => {
    using copies = new Copies();
    const with_ = cached();
    const all = await Promise.all([with_, with_, with_].map((given) => undisturbedHashes(given, BATCHES)));
    expect(all).toEqual([expected, expected, expected]);
    expect(copies.cases).toHaveLength(2 * store.cases.length);
  });

  it('goes on from a state, which does not say where it is', async () => {
    await using first = await PatchLoader.create(cached());
    await streamHashes(first, 5);
    const state = JSON.parse(JSON.stringify(first.state()));
    expect(JSON.stringify(state)).not.toMatch(/cache/i);
    await using second = await PatchLoader.create({ store, state, localCache: cached().localCache, cacheBytes: 0 });
    expect(await streamHashes(second, BATCHES - 5)).toEqual(expected.slice(5));
  });

  it('replays any sample', async () => {
    const plain = await replay(options, 41);
    const { plan, sidecar, after } = await replay(cached(), 41);
    expect({ plan, sidecar }).toEqual({ plan: plain.plan, sidecar: plain.sidecar });
    expect(after.data).toEqual(plain.after.data);
  });

  it('that vanishes is made again', async () => {
    const with_ = cached();
    await using loader = await PatchLoader.create(with_);
    const hashes: string[] = [];
    for (let i = 0; i < BATCHES; i++) {
      using batch = await loader.next();
      hashes.push(await hashOf(batch));
      // Until the ring is full nobody may be at work on files.
      while (loader.metrics().ring.filling > 0) await new Promise((done) => setTimeout(done, 5));
      if (i % 4 === 1) rmSync(with_.localCache.dir, { recursive: true });
    }
    expect(hashes).toEqual(expected);
  });

  it('of a process that was killed while it copied is whole for the next', async () => {
    const with_ = cached();
    const { localCache } = with_;
    const words = ['--patch', '8,9,10', '--batch', '6', '--batches', '2', '--workers', '1'];
    killInWrite(['bench', store.dir, ...words, '--local-cache', `${localCache.dir}:1GB`], 3, 'main');
    const left = inCache(localCache.dir);
    expect(left.partial.length).toBeGreaterThan(0);
    expect(left.sessions.length).toBeGreaterThan(0);
    expect(await undisturbedHashes(with_, BATCHES)).toEqual(expected);
    expect(inCache(localCache.dir)).toMatchObject({ sessions: [], partial: [] });
  });

  it('copies a sidecar again that was damaged in it', async () => {
    const with_ = cached();
    expect(await undisturbedHashes(with_, BATCHES)).toEqual(expected);
    const items = join(with_.localCache.dir, 'items');
    const sidecars = readdirSync(items, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.msgpack'));
    const [cut, changed] = sidecars.map((name) => join(items, name));
    const whole = [cut, changed].map((path) => readFileSync(path));
    truncateSync(cut, 100);
    const bytes = readFileSync(changed);
    bytes[bytes.length - 2] ^= 1;
    writeFileSync(changed, bytes);
    expect(await undisturbedHashes(with_, BATCHES)).toEqual(expected);
    expect([cut, changed].map((path) => readFileSync(path))).toEqual(whole);
  });

  it('on a full disk leaves cases where they are, and says so once', async () => {
    using warnings = new Warnings();
    const with_ = cached();
    using _ = await fullDisk();
    expect(await undisturbedHashes(with_, BATCHES)).toEqual(expected);
    const said = (await warnings.seen()).filter((message) => message.includes('ENOSPC'));
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(/cache.*no space left on device.*Cases are read from the store itself/);
    expect(inCache(with_.localCache.dir)).toEqual({ bytes: 0, sessions: [], partial: [] });
  });

  it('ends a stream whose store is damaged with the file, and what is wrong', async () => {
    const broken = await loaderFixture({ cacheBytes: 0 });
    const { data } = caseFiles(broken.store.dir, 'case_001');
    const { size } = statSync(data);
    writeFileSync(data, Buffer.alloc(size));
    const { localCache } = cached();
    await using loader = await PatchLoader.create({ ...broken.options, localCache });
    await expect(streamHashes(loader, 50)).rejects.toMatchObject({
      name: 'StoreError',
      where: data,
      what: 'its contents are not those that the index lists',
    });
    await loader.close();
    expect(inCache(localCache.dir)).toMatchObject({ sessions: [], partial: [] });
  });

  it('ends a stream whose store has a damaged sidecar with the file, and what helps', async () => {
    const broken = await loaderFixture({ cacheBytes: 0 });
    const { sidecar } = caseFiles(broken.store.dir, 'case_001');
    truncateSync(sidecar, 100);
    const { localCache } = cached();
    await expect(PatchLoader.create({ ...broken.options, localCache }).then((loader) => streamHashes(loader, 50))).rejects.toMatchObject({
      name: 'StoreError',
      where: sidecar,
      what: expect.stringMatching(/^it is damaged/),
      action: expect.stringMatching(/^Run `voxfeed preprocess` again/),
    });
  });

  it('that nobody may write to is refused before anything begins', async () => {
    await expect(PatchLoader.create(cached(ENOUGH, '/proc/cache'))).rejects.toBeInstanceOf(FileError);
  });

  it.each<[string, unknown, RegExp]>([
    ['no folder', { bytes: 5 }, /localCache: \{"bytes":5\} is not a folder and a size/],
    ['no size', { dir: 'x' }, /localCache: .* is not a folder and a size.*Give \{ dir/],
    ['a text', '/tmp/cache', /localCache: "\/tmp\/cache" is not a folder and a size/],
    ['something else besides', { dir: 'x', bytes: 5, files: 3 }, /is not a folder and a size/],
    [
      'too little',
      { dir: join(dir, 'small'), bytes: 1000 },
      /localCache\.bytes: case case_\d+ alone takes \d+ bytes, and 1000 are allowed/,
    ],
    ['an address', { dir: 'https://host/cache', bytes: ENOUGH }, /localCache\.dir: https:\/\/host\/cache is an address\. Give a folder/],
    ['a folder with other files', { dir, bytes: ENOUGH }, /localCache\.dir: .* holds other files/],
  ])('of %s is refused', async (_, localCache, message) => {
    await expect(PatchLoader.create({ ...options, localCache } as never)).rejects.toThrow(OptionError);
    await expect(PatchLoader.create({ ...options, localCache } as never)).rejects.toThrow(message);
  });

  it.each<[string, unknown]>([
    ['/scratch/cache:200GB', { dir: '/scratch/cache', bytes: 200e9 }],
    ['C:\\cache:1.5TiB', { dir: 'C:\\cache', bytes: 1.5 * 1024 ** 4 }],
    ['cache:500', { dir: 'cache', bytes: 500 }],
    ['/scratch/cache', '/scratch/cache'],
    ['/scratch/cache:many', '/scratch/cache:many'],
  ])('is read from a flag: %s', (text, value) => {
    expect(readLocalCache(text)).toEqual(value);
  });
});
