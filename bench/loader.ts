/**
 * Loader throughput, `npm run bench -- [--runs N] [--peer PYTHON] [--json]`: crop-only batches, page cache hot, without hashing.
 * Configurations take turns, so that a slow spell of the machine hits all of them alike; medians are reported.
 *
 * With `--peer`, the Python of a virtual environment that has nnunetv2, nnU-Net's own loader crops the same volumes in turn: one
 * process, no transforms, volumes in RAM instead of in files.
 */
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Triple } from '../src/geometry.ts';
import { PatchLoader } from '../src/loader.ts';
import { environment } from '../src/observability/environment.ts';
import { measureThroughput, type ThroughputReport } from '../src/observability/throughput.ts';
import { syntheticStore } from './synthetic-store.ts';

interface Configuration {
  name: string;
  volume: Triple;
  patch: number[];
  batch: number;
  batches: number;
  workers: number;
  /** 0: from files in the page cache; otherwise from cases kept in memory. */
  cacheBytes: number;
}

const LARGE: Triple = [160, 300, 300];
const SMALL: Triple = [36, 50, 36];

const GIB = 1024 ** 3;

const CONFIGURATIONS: Configuration[] = [
  { name: '3D 128, batch 2, 1 worker', volume: LARGE, patch: [128, 128, 128], batch: 2, batches: 120, workers: 1, cacheBytes: GIB },
  {
    name: '3D 128, batch 2, 1 worker, page cache',
    volume: LARGE,
    patch: [128, 128, 128],
    batch: 2,
    batches: 120,
    workers: 1,
    cacheBytes: 0,
  },
  { name: '3D 128, batch 2, 2 workers', volume: LARGE, patch: [128, 128, 128], batch: 2, batches: 120, workers: 2, cacheBytes: GIB },
  { name: '3D 40x56x40, batch 9, 1 worker', volume: SMALL, patch: [40, 56, 40], batch: 9, batches: 400, workers: 1, cacheBytes: GIB },
  { name: '3D 40x56x40, batch 9, 2 workers', volume: SMALL, patch: [40, 56, 40], batch: 9, batches: 400, workers: 2, cacheBytes: GIB },
  { name: '2D 256, batch 12, 1 worker', volume: LARGE, patch: [256, 256], batch: 12, batches: 400, workers: 1, cacheBytes: GIB },
];

const PEER = 'nnU-Net, crop only, from RAM';
const PEER_SCRIPT = join(import.meta.dirname, 'peers/nnunet_crop_only.py');
/** The peer takes its turn beside the configurations of one worker: it has one process. */
const hasPeer = ({ workers, patch, cacheBytes }: Configuration): boolean => workers === 1 && patch.length === 3 && cacheBytes > 0;

const { values } = parseArgs({
  options: { peer: { type: 'string' }, runs: { type: 'string', default: '5' }, json: { type: 'boolean', default: false } },
});
const runs = Number(values.runs);

type Measured = Pick<ThroughputReport, 'patches_per_second' | 'cpu_ms_per_patch'> & { dispatch_fraction?: number };
const reports = new Map<string, Measured[]>();
const report = (name: string, measured: Measured): void => void reports.set(name, [...(reports.get(name) ?? []), measured]);
for (let run = 0; run < runs; run++) {
  for (const configuration of CONFIGURATIONS) {
    const { name, volume, patch, batch, batches, workers, cacheBytes } = configuration;
    const store = await syntheticStore(join(tmpdir(), `voxfeed-bench-${volume.join('x')}`), 4, volume);
    const loader = await PatchLoader.create({ store, patchSize: patch, batchSize: batch, seed: run, workers, cacheBytes });
    report(name, await measureThroughput(loader, { batches, hash: false }));
    await loader.close();
    if (values.peer && hasPeer(configuration)) {
      const printed = execFileSync(values.peer, [PEER_SCRIPT, store.dir, patch.join(), String(batch), String(batches)], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      report(`${PEER}: ${patch.join('x')}, batch ${batch}`, JSON.parse(printed));
    }
    process.stderr.write(`run ${run + 1} of ${runs}: ${name}\n`);
  }
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Number(sorted[Math.floor(sorted.length / 2)].toPrecision(4));
}

const rows = [...reports].map(([name, measured]) => ({
  name,
  patches_per_second: median(measured.map(({ patches_per_second }) => patches_per_second)),
  slowest: Math.min(...measured.map(({ patches_per_second }) => patches_per_second)),
  fastest: Math.max(...measured.map(({ patches_per_second }) => patches_per_second)),
  cpu_ms_per_patch: median(measured.map(({ cpu_ms_per_patch }) => cpu_ms_per_patch)),
  dispatch_fraction: median(measured.map(({ dispatch_fraction = Number.NaN }) => dispatch_fraction)),
}));

if (values.json) console.log(JSON.stringify({ runs, rows, environment: environment() }, null, 2));
else {
  console.table(rows);
  console.log(`medians of ${runs} interleaved runs;`, environment());
}
