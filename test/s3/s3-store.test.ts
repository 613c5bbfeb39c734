import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { PatchLoader } from '../../src/loader/loader.ts';
import type { LoaderOptions } from '../../src/loader/options/options.ts';
import { downloadText } from '../../src/remote/download.ts';
import { openOrigin } from '../../src/remote/open-origin.ts';
import { openStore } from '../../src/store/store.ts';
import { Copies } from '../fixtures/copies.ts';
import { loaderFixture, SHAPES } from '../fixtures/loader.ts';
import { makeStore } from '../fixtures/store.ts';
import { streamHashes, undisturbedHashes } from '../fixtures/stream.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { Warnings } from '../fixtures/warnings.ts';
import { Minio } from './minio.ts';

const BATCHES = 8;
const { store, options } = await loaderFixture({ cacheBytes: 0, augmentation: 'default', workers: 1 });
const expected = await undisturbedHashes(options, BATCHES);
const minio = await Minio.start();
afterAll(() => minio[Symbol.asyncDispose]());
const address = await minio.upload(store.dir, 'sets/liver');

beforeEach(() => {
  environment({ ...minio.environment, XDG_CACHE_HOME: temporaryFolder() });
  return () => vi.unstubAllEnvs();
});

function environment(values: Record<string, string | undefined>): void {
  for (const [name, value] of Object.entries(values)) vi.stubEnv(name, value);
}

const localCache = () => ({ dir: join(temporaryFolder(), 'cache'), bytes: 1e9 });
const { signal } = new AbortController();

describe('a store in a bucket', () => {
  it('is the same as in a folder, and comes once', async () => {
    using copies = new Copies();
    const opened = await openStore(`${address}/`);
    expect(opened.hash).toBe(store.hash);
    const given: LoaderOptions = { ...options, store: opened, localCache: localCache() };
    expect(await undisturbedHashes(given, BATCHES)).toEqual(expected);
    expect(await undisturbedHashes(given, BATCHES)).toEqual(expected);
    expect(copies.cases).toHaveLength(2 * store.cases.length);
  });

  it('goes on where connections are cut', async () => {
    const large = Buffer.from(Uint32Array.from({ length: 2_000_000 }, (_, i) => i * 2_654_435_761).buffer);
    await minio.put('large.npy', large);
    await using proxy = await Cutting.start(minio.port, 3_000_000);
    environment({ AWS_ENDPOINT_URL: `http://127.0.0.1:${proxy.port}` });
    const origin = await openOrigin(`s3://${minio.bucket}`);
    const got = await downloadText(origin, 'large.npy', { bytes: large.length, xxh64: null }, signal, {
      tries: 3,
      pauseMs: 1,
      silentMs: 10_000,
    });
    expect(got.equals(large)).toBe(true);
    expect(proxy.connections).toBeGreaterThan(2);
  });

  it('is not put together from two states of a file', async () => {
    const state = (value: number): Buffer => Buffer.alloc(4_000_000, value);
    await minio.put('changing.npy', state(1));
    const origin = await openOrigin(`s3://${minio.bucket}`);
    await using proxy = await Cutting.start(minio.port, 2_000_000, () => minio.put('changing.npy', state(2)));
    environment({ AWS_ENDPOINT_URL: `http://127.0.0.1:${proxy.port}` });
    const cut = await openOrigin(`s3://${minio.bucket}`);
    const patience = { tries: 3, pauseMs: 200, silentMs: 10_000 };
    await expect(downloadText(cut, 'changing.npy', { bytes: null, xxh64: null }, signal, patience)).rejects.toMatchObject({
      name: 'StoreError',
      what: 'it was changed while it was read',
    });
    expect(await downloadText(origin, 'changing.npy', { bytes: null, xxh64: null }, signal)).toEqual(state(2));
  });

  it('that was changed since it was opened is not mixed with what it was', async () => {
    const changing = await minio.upload(store.dir, 'changing');
    const opened = await openStore(changing);
    const other = await makeStore(join(temporaryFolder(), 'store'), { shapes: SHAPES, label: () => 1 });
    await minio.upload(other.dir, 'changing');
    await using loader = await PatchLoader.create({ ...options, store: opened, localCache: localCache() });
    await expect(streamHashes(loader, BATCHES)).rejects.toMatchObject({
      where: `${changing}/voxfeed.json`,
      what: 'the store was changed since it was opened',
    });
  });

  it.each<[string, string, Record<string, string | undefined>, object]>([
    [
      'no such store',
      's3://stores/sets/lever',
      {},
      {
        name: 'StoreError',
        where: 's3://stores/sets/lever',
        what: 'there is no store at this address: voxfeed.json: the file is missing (NoSuchKey, HTTP 404)',
      },
    ],
    [
      'no such bucket',
      's3://elsewhere/sets',
      {},
      {
        name: 'StoreError',
        where: 's3://elsewhere/sets',
        what: 'there is no store at this address: voxfeed.json: the file is missing (NoSuchBucket, HTTP 404)',
      },
    ],
    [
      'a wrong password',
      's3://stores/sets/liver',
      { AWS_SECRET_ACCESS_KEY: 'another' },
      { name: 'FileError', what: expect.stringMatching(/^it may not be read: .* \(SignatureDoesNotMatch, HTTP 403\)$/) },
    ],
    [
      'no credentials',
      's3://stores/sets/liver',
      {
        AWS_ACCESS_KEY_ID: undefined,
        AWS_SECRET_ACCESS_KEY: undefined,
        AWS_EC2_METADATA_DISABLED: 'true',
        AWS_SHARED_CREDENTIALS_FILE: '/nowhere',
        AWS_CONFIG_FILE: '/nowhere',
      },
      { name: 'FileError', action: expect.stringMatching(/^Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY/) },
    ],
  ])('is refused in a sentence: %s', async (_, wrong, changed, error) => {
    environment(changed);
    await expect(openStore(wrong)).rejects.toMatchObject({ where: `${wrong}/voxfeed.json`, ...error });
  });

  it('is streamed with nobody at the other end, once all of it has come', async () => {
    await using own = await Minio.start();
    environment(own.environment);
    const brought = await own.upload(store.dir, 'liver');
    const given: LoaderOptions = { ...options, store: await openStore(brought), localCache: localCache() };
    await undisturbedHashes(given, BATCHES);
    await own[Symbol.asyncDispose]();
    using warnings = new Warnings();
    expect(await undisturbedHashes({ ...given, store: await openStore(brought) }, BATCHES)).toEqual(expected);
    expect(await warnings.seen()).toEqual([expect.stringMatching(/What is known of the store is used/)]);
  });
});

/** What stands between, and cuts each connection after so many bytes. */
class Cutting implements AsyncDisposable {
  connections = 0;
  readonly #sockets: Socket[] = [];
  readonly #server: Server;

  static async start(to: number, bytes: number, onCut: () => Promise<void> = async () => {}): Promise<Cutting> {
    const cutting = new Cutting(to, bytes, onCut);
    cutting.#server.listen(0, '127.0.0.1');
    await once(cutting.#server, 'listening');
    return cutting;
  }

  private constructor(to: number, bytes: number, onCut: () => Promise<void>) {
    this.#server = createServer((socket) => {
      this.connections++;
      this.#sockets.push(socket);
      const server = connect(to, '127.0.0.1');
      let left = bytes;
      server.on('data', (part) => {
        left -= part.length;
        socket.write(part);
        if (left > 0) return;
        server.destroy();
        socket.end();
        void onCut();
      });
      socket.pipe(server);
      for (const end of [socket, server]) end.on('error', () => {});
      server.on('close', () => socket.end());
      socket.on('close', () => server.destroy());
    });
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((done) => this.#server.close(done));
  }
}
