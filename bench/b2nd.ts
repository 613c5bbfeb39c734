/**
 * What it costs to read nnU-Net's .b2nd files instead of .npy: `node bench/b2nd.ts FOLDER --patch 128,128,128 --batch 2 [--batches N]
 * [--augmentation default|none] [--runs N] [--peer PYTHON] [--json]`. FOLDER is one that nnU-Net preprocessed,
 * "nnUNet_preprocessed/DATASET/nnUNetPlans_3d_fullres".
 *
 * Both stores hold the same voxels. Each is read warm (from the page cache), cold (the page cache is emptied of its files before a run of
 * few batches, where `dd` can), and resident (the volumes in memory). One worker, everything on one pinned core; runs take turns, and the
 * one with the median CPU time is reported. With `--peer`, the Python of a virtual environment that has nnunetv2, nnU-Net's own loader
 * does the same from the same .b2nd files, by python-blosc2.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { xxh64 } from '../src/common/hash.ts';
import { PatchLoader } from '../src/loader/loader.ts';
import { environment } from '../src/measuring/environment.ts';
import { measureThroughput } from '../src/measuring/throughput.ts';
import { type ArrayFormat, caseFiles } from '../src/store/file-names.ts';
import type { Store } from '../src/store/store.ts';
import { type TwinStores, twinStores } from './twin-stores.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    patch: { type: 'string', default: '128,128,128' },
    batch: { type: 'string', default: '2' },
    batches: { type: 'string', default: '60' },
    augmentation: { type: 'string', default: 'default' },
    targets: { type: 'string', default: '5' },
    runs: { type: 'string', default: '3' },
    peer: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const patchSize = values.patch.split(',').map(Number);
const [batchSize, batches, runs] = [values.batch, values.batches, values.runs].map(Number);
const augmentation = values.augmentation as 'default' | 'none';
const deepSupervision = Array.from({ length: Number(values.targets) }, (_, i) => patchSize.map(() => 2 ** -i));
const folder = resolve(positionals[0]);

if (!process.env.VOXFEED_BENCH_PINNED) {
  const { status, error } = spawnSync('taskset', ['-c', '0', process.execPath, ...process.execArgv, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env: { ...process.env, VOXFEED_BENCH_PINNED: '1' },
  });
  if (!error) process.exit(status ?? 1);
  process.stderr.write('not pinned to a core: there is no taskset here\n');
}

interface Measured {
  patches_per_second: number;
  cpu_ms_per_patch: number;
  stream_hash?: string | null;
}

async function measure(store: Store, cacheBytes: number, length: number, seed: number): Promise<Measured> {
  await using loader = await PatchLoader.create({
    store,
    patchSize,
    batchSize,
    seed,
    workers: 1,
    augmentation,
    deepSupervision,
    cacheBytes,
  });
  return await measureThroughput(loader, { batches: length, hash: length === batches });
}

/** Takes the files of a store out of the page cache. */
function forget({ dir, cases }: Store, format: ArrayFormat): void {
  for (const { id } of cases) {
    const { data, segmentation } = caseFiles(dir, id, format);
    for (const path of [data, segmentation]) execFileSync('dd', [`if=${realpathSync(path)}`, 'iflag=nocache', 'count=0', 'status=none']);
  }
}

const stores: TwinStores = await twinStores(
  folder,
  join(tmpdir(), `voxfeed-twins-${basename(dirname(folder))}-${await xxh64(Buffer.from(folder))}`),
);
const reports = new Map<string, Measured[]>();
const note = (name: string, measured: Measured): void => void reports.set(name, [...(reports.get(name) ?? []), measured]);

for (let run = 0; run < runs; run++) {
  for (const format of ['npy', 'b2nd'] as const) {
    const store = stores[format];
    note(`${format} warm`, await measure(store, 0, batches, run));
    note(`${format} resident`, await measure(store, 2 * 1024 ** 3, batches, run));
    // What is read twice is read from the cache: few batches, and so that none are ready before the clock starts.
    forget(store, format);
    note(`${format} cold`, await firstBatches(store, run));
  }
  if (values.peer) {
    const script = join(import.meta.dirname, 'peers/nnunet_loader.py');
    const given = [stores.b2nd.dir, values.patch, values.batch, String(Math.ceil(batches / 10)), augmentation, values.targets];
    note(
      'b2nd, nnU-Net',
      JSON.parse(execFileSync(values.peer, [script, ...given], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })),
    );
  }
  process.stderr.write(`run ${run + 1} of ${runs}\n`);
}

/** From the first request on: as many batches as touch each case about once. */
async function firstBatches(store: Store, seed: number): Promise<Measured> {
  const count = Math.max(1, Math.floor(store.cases.length / batchSize));
  await using loader = await PatchLoader.create({
    store,
    ...{ patchSize, batchSize, seed, workers: 1, augmentation, deepSupervision, cacheBytes: 0, ring: 2 },
  });
  const [cpu, start] = [process.cpuUsage(), performance.now()];
  for (let i = 0; i < count; i++) (await loader.next())[Symbol.dispose]();
  const { user, system } = process.cpuUsage(cpu);
  const patches = count * batchSize;
  const round = (value: number): number => Number(value.toPrecision(4));
  return {
    patches_per_second: round((1000 * patches) / (performance.now() - start)),
    cpu_ms_per_patch: round((user + system) / 1000 / patches),
  };
}

const hashes = ['npy warm', 'npy resident', 'b2nd warm', 'b2nd resident'].map((name) =>
  reports
    .get(name)
    ?.map((one) => one.stream_hash)
    .join(),
);
if (new Set(hashes).size !== 1) throw new Error(`the streams differ: ${hashes.join(' ')}`);

const summary = [...reports].map(([name, measured]) => {
  const median = measured.toSorted((a, b) => a.cpu_ms_per_patch - b.cpu_ms_per_patch)[Math.floor(measured.length / 2)];
  return { name, patches_per_second: median.patches_per_second, cpu_ms_per_patch: median.cpu_ms_per_patch, runs: measured };
});
if (values.json) console.log(JSON.stringify({ patchSize, batchSize, batches, augmentation, summary, environment: environment() }, null, 2));
else {
  console.table(summary.map(({ runs: all, ...one }) => ({ ...one, each: all.map((measured) => measured.cpu_ms_per_patch).join(' ') })));
  console.log(environment());
}
