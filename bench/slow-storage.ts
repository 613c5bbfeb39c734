/**
 * Streams a store from slow storage, with a local cache and without: what each epoch takes, waits, and brings over the wire.
 *
 *     node bench/slow-storage.ts [--rate 40] [--cases 12] [--edge 160] [--patch 64] [--batches 60] [--epochs 3] [--mount DIR] [--store DIR]
 *
 * `rate` is in megabytes a second. The address is served by a process of its own (bench/suite/throttled-server.ts). `mount` is a slow
 * mount of the folder `store`, where it is printed to be without it. The page cache is emptied of that mount's files before each epoch: it
 * stands for a data set that is larger than memory. For example:
 *
 *     rclone mount STORE MOUNT --read-only --bwlimit 20M --vfs-cache-mode off --daemon
 */
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openStore, PatchLoader, type Store } from '../src/index.ts';
import { caseFiles } from '../src/store/file-names.ts';
import { syntheticStore } from './suite/synthetic-store.ts';

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '40' },
    cases: { type: 'string', default: '12' },
    edge: { type: 'string', default: '160' },
    patch: { type: 'string', default: '64' },
    batches: { type: 'string', default: '60' },
    epochs: { type: 'string', default: '3' },
    store: { type: 'string' },
    mount: { type: 'string' },
  },
});
const [rate, cases, edge, patch, batches, epochs] = [
  values.rate,
  values.cases,
  values.edge,
  values.patch,
  values.batches,
  values.epochs,
].map(Number);
const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'voxfeed-bench');
const dir = values.store ?? join(CACHE, `slow-${cases}-${edge}`);
const store = await syntheticStore(dir, cases, [edge, edge, edge]);
const megabytes = store.cases.reduce((sum, { files }) => sum + files.data.bytes + files.segmentation.bytes, 0) / 1e6;

/** Takes the files of a mount out of the page cache. */
function forget(mount: string): void {
  for (const { id } of store.cases) {
    const { data, segmentation } = caseFiles(mount, id);
    for (const path of [data, segmentation]) execFileSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none']);
  }
}

async function measure(name: string, opened: Store, cached: boolean, before: () => void = () => {}): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'voxfeed-slow-'));
  try {
    await using loader = await PatchLoader.create({
      store: opened,
      patchSize: [patch, patch, patch],
      batchSize: 2,
      augmentation: 'default',
      seed: 7,
      cacheBytes: 0,
      ...(cached && { localCache: { dir: join(scratch, 'cache'), bytes: 1e12 } }),
    });
    for (let epoch = 0; epoch < epochs; epoch++) {
      before();
      const start = performance.now();
      const waited = loader.metrics().waitMs;
      for (let i = 0; i < batches; i++) {
        using _ = await loader.next();
      }
      const seconds = (performance.now() - start) / 1000;
      const wait = (loader.metrics().waitMs - waited) / 1000;
      console.log(`| ${name} | ${epoch + 1} | ${seconds.toFixed(1)} | ${((2 * batches) / seconds).toFixed(1)} | ${wait.toFixed(1)} |`);
    }
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

const server = fork(join(import.meta.dirname, 'suite/throttled-server.ts'), [dir, String(rate)], { execArgv: [] });
const [port] = (await once(server, 'message')) as [number];
console.log(
  `${cases} cases, ${megabytes.toFixed(0)} MB: ${(megabytes / rate).toFixed(1)} s at ${rate} MB/s. ${batches} batches of 2 an epoch.\n`,
);
console.log('| store | epoch | seconds | patches a second | waited for batches, s |\n| --- | --- | --- | --- | --- |');
await measure('local disk', store, false);
await measure('https, local cache', await openStore(`http://127.0.0.1:${port}`), true);
if (values.mount !== undefined) {
  const { mount } = values;
  const mounted = await openStore(mount);
  await measure('mount', mounted, false, () => forget(mount));
  await measure('mount, local cache', mounted, true, () => forget(mount));
}
server.disconnect();
