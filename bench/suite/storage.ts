import { execFileSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { showBytes } from '../../src/common/bytes.ts';
import { xxh64 } from '../../src/common/hash.ts';
import { type ArrayFormat, caseFiles } from '../../src/store/file-names.ts';
import type { Store } from '../../src/store/store.ts';
import type { Part } from '../report/result.ts';
import { CACHE, CONFIGURATIONS, optionsOf, storeOf } from './configurations.ts';
import type { Options } from './job.ts';
import { folderConfiguration, nnunetFolder } from './nnunet-folder.ts';
import { batchesOf, fewerRuns, type Plan } from './plan.ts';
import { type Entry, rounds, rowsOf } from './rounds.ts';
import { runJob } from './run-job.ts';
import { compactTwin, twinStores } from './twin-stores.ts';

/** A store, and what is streamed from it. */
interface Source {
  name: string;
  store: Store;
  format: ArrayFormat;
  batches: number;
  options: Options;
}

const RESIDENT_BYTES = 2 * 1024 ** 3;

/** Where cases lie: in memory, in files in the page cache, in files on the disk; as .npy, of float32 and of float16; and as the .b2nd that nnU-Net wrote. */
export async function storagePart(plan: Plan): Promise<Part> {
  const entries: Entry[] = [];
  for (const { name, store, format, batches: wanted, options } of await sources(plan)) {
    const batches = batchesOf(plan, wanted);
    const stream = (cacheBytes: number) => () =>
      runJob({ kind: 'stream', store: store.dir, options: { ...options, cacheBytes }, batches, warmUp: Math.ceil(batches / 2) }, 1);
    // As many as touch each case about once: what is read twice is read from the cache.
    const once = Math.max(1, Math.floor(store.cases.length / (options.batchSize as number)));
    const cold = () => {
      forget(store, format);
      return runJob({ kind: 'cold', store: store.dir, options: { ...options, cacheBytes: 0 }, batches: once }, 1);
    };
    entries.push(
      { name: `${name}, in memory`, run: stream(RESIDENT_BYTES), notes: `${sizeOf(store)} on the disk` },
      { name: `${name}, page cache`, run: stream(0) },
      { name: `${name}, from the disk`, run: cold, notes: once === 1 ? 'first batch' : `first ${once} batches` },
    );
  }
  return {
    title: 'Storage',
    about:
      'One worker on one core. From the disk: the page cache is emptied of the files before each run, and nothing has warmed up, so that such a ' +
      'figure is to be compared with others of its kind only. A virtual disk may have a cache of its own behind it.',
    rows: rowsOf(entries, await rounds(entries, fewerRuns(plan))),
  };
}

async function sources(plan: Plan): Promise<Source[]> {
  const found: Source[] = [];
  for (const config of plan.quick ? [] : ['b', 'd']) {
    const configuration = CONFIGURATIONS[config];
    const store = await storeOf(configuration, plan);
    const source = { format: 'npy' as const, batches: configuration.batches, options: optionsOf(configuration, 1) };
    found.push({ name: `${config}, .npy`, store, ...source });
    found.push({ name: `${config}, .npy of float16`, store: await compactTwin(store), ...source });
  }
  for (const folder of plan.folders.length > 0 ? plan.folders : [await nnunetFolder()]) found.push(...(await folderSources(folder)));
  return found;
}

/** Of a folder that nnU-Net preprocessed: as it lies, and the same voxels as .npy, of float32 and of float16. Patch and batch as planned. */
async function folderSources(folder: string): Promise<Source[]> {
  const stores = await twinStores(folder, join(CACHE, `twin-${await xxh64(Buffer.from(folder))}`));
  const name = basename(dirname(folder));
  const configuration = folderConfiguration(stores.b2nd);
  const { batches } = configuration;
  const kinds: [string, Store, ArrayFormat][] = [
    ['.b2nd', stores.b2nd, 'b2nd'],
    ['.npy', stores.npy, 'npy'],
    ['.npy of float16', await compactTwin(stores.npy), 'npy'],
  ];
  return kinds.map(([kind, store, format]) => ({
    name: `${name}, ${kind}`,
    store,
    format,
    batches,
    options: optionsOf(configuration, 1),
  }));
}

/** Of its arrays. */
function sizeOf({ cases }: Store): string {
  return showBytes(cases.reduce((sum, { files }) => sum + files.data.bytes + files.segmentation.bytes, 0));
}

/** Takes the files of a store out of the page cache. */
function forget({ dir, cases }: Store, format: ArrayFormat): void {
  for (const { id } of cases) {
    const { data, segmentation } = caseFiles(dir, id, format);
    // What is not on the disk yet stays in the cache.
    for (const path of [data, segmentation].map((file) => realpathSync(file))) {
      execFileSync('sync', [path]);
      execFileSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none']);
    }
  }
}
