/**
 * Loader throughput, `npm run -s bench:loader -- [--config NAMES] [--workers N] [--cache-gb N] [--runs N] [--peer PYTHON] [--json]`.
 *
 * Volumes are made up. They are kept in memory (1 GiB, as the loader does by itself) or, with `--cache-gb 0`, read from files in the
 * page cache. With one worker everything runs on one pinned core (where the system has `taskset`), so that CPU time a patch is what one
 * core needs for it. Configurations take turns, so that a slow spell of the machine hits all of them alike; reported is the run with
 * the median CPU time. Batches are hashed before the clock starts.
 *
 * With `--peer`, the Python of a virtual environment that has nnunetv2, nnU-Net's own loader does the same in turn, on the same core:
 * one process, volumes in RAM instead of in files.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Triple } from '../src/common/geometry.ts';
import { PatchLoader } from '../src/loader/loader.ts';
import { environment } from '../src/measuring/environment.ts';
import { measureThroughput, type ThroughputReport } from '../src/measuring/throughput.ts';
import { syntheticStore } from './synthetic-store.ts';

interface Configuration {
  about: string;
  volume: Triple;
  /** Default 1. */
  channels?: number;
  /** Whether there is nothing outside of an ellipsoid, and channels are set to 0 there. */
  masked?: boolean;
  patch: number[];
  batch: number;
  batches: number;
  augmentation: 'none' | 'default';
  /** Number of targets, each half as long as the one before it. */
  targets: number;
}

const LARGE: Triple = [160, 300, 300];
/** As many voxels in slices that hold a 2D patch of 512. */
const WIDE: Triple = [40, 600, 600];
const SMALL: Triple = [36, 50, 36];
const CUBE = [128, 128, 128];
const HIPPOCAMPUS = [40, 56, 40];

const augmented = { augmentation: 'default' as const };
const cropped = { augmentation: 'none' as const, targets: 1 };

const CONFIGURATIONS: Record<string, Configuration> = {
  b: { about: '3D 128, batch 2', volume: LARGE, patch: CUBE, batch: 2, batches: 120, targets: 5, ...augmented },
  c: { about: '2D 512, batch 12', volume: WIDE, patch: [512, 512], batch: 12, batches: 60, targets: 7, ...augmented },
  d: { about: '3D 40x56x40, batch 9', volume: LARGE, patch: HIPPOCAMPUS, batch: 9, batches: 200, targets: 3, ...augmented },
  e: {
    about: '3D 128, batch 2, four channels with mask',
    volume: LARGE,
    channels: 4,
    masked: true,
    patch: CUBE,
    batch: 2,
    batches: 120,
    targets: 5,
    ...augmented,
  },
  crop128: { about: 'crop 3D 128, batch 2', volume: LARGE, patch: CUBE, batch: 2, batches: 120, ...cropped },
  crop40: { about: 'crop 3D 40x56x40, batch 9', volume: SMALL, patch: HIPPOCAMPUS, batch: 9, batches: 400, ...cropped },
  crop2d: { about: 'crop 2D 256, batch 12', volume: LARGE, patch: [256, 256], batch: 12, batches: 400, ...cropped },
};

const PEER_SCRIPT = join(import.meta.dirname, 'peers/nnunet_loader.py');

const { values } = parseArgs({
  options: {
    config: { type: 'string', default: Object.keys(CONFIGURATIONS).join(',') },
    workers: { type: 'string', default: '1' },
    'cache-gb': { type: 'string', default: '1' },
    runs: { type: 'string', default: '5' },
    peer: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const names = values.config.split(',');
const unknown = names.find((name) => !(name in CONFIGURATIONS));
if (unknown !== undefined) throw new Error(`--config ${unknown}: there are ${Object.keys(CONFIGURATIONS).join(', ')}`);
const workers = values.workers.split(',').map(Number);
const runs = Number(values.runs);

pinToOneCore();

/** Starts this script again on one core, where everything is to happen on one. */
function pinToOneCore(): void {
  if (process.env.VOXFEED_BENCH_PINNED || workers.some((count) => count > 1)) return;
  const { status, error } = spawnSync('taskset', ['-c', '0', process.execPath, ...process.execArgv, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env: { ...process.env, VOXFEED_BENCH_PINNED: '1' },
  });
  if (error) process.stderr.write('not pinned to a core: there is no taskset here\n');
  else process.exit(status ?? 1);
}

type Report = Pick<ThroughputReport, 'patches_per_second' | 'cpu_ms_per_patch'> & Partial<ThroughputReport>;
const reports = new Map<string, Report[]>();
const report = (name: string, measured: Report): void => void reports.set(name, [...(reports.get(name) ?? []), measured]);
const nameOf = (config: string, count: number): string => (workers.length > 1 ? `${config}, ${count} workers` : config);

for (let run = 0; run < runs; run++) {
  for (const config of names) {
    const { volume, channels = 1, masked = false, patch, batch, batches, augmentation, targets } = CONFIGURATIONS[config];
    const dir = join(tmpdir(), `voxfeed-bench-${volume.join('x')}-${channels}${masked ? '-masked' : ''}`);
    const store = await syntheticStore(dir, 4, volume, { channels, masked });
    const deepSupervision = Array.from({ length: targets }, (_, i) => patch.map(() => 2 ** -i));
    for (const count of workers) {
      await using loader = await PatchLoader.create({
        store,
        patchSize: patch,
        batchSize: batch,
        seed: run,
        workers: count,
        augmentation,
        deepSupervision,
        cacheBytes: Number(values['cache-gb']) * 1024 ** 3,
      });
      const { oversample } = loader.state();
      const measured = await measureThroughput(loader, { batches, hash: true });
      report(nameOf(config, count), { ...measured, ...{ patch, batch, seed: run, oversample, augmentation } });
    }
    if (values.peer) {
      const argumentsOf = [
        store.dir,
        patch.join(),
        String(batch),
        String(augmentation === 'none' ? batches : Math.ceil(batches / 10)),
        augmentation,
        String(targets),
      ];
      const printed = execFileSync(values.peer, [PEER_SCRIPT, ...argumentsOf], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
      report(`${config}, nnU-Net`, JSON.parse(printed));
    }
    process.stderr.write(`run ${run + 1} of ${runs}: ${config}, ${CONFIGURATIONS[config].about}\n`);
  }
}

/** The run with the median CPU time, and what all of them took. */
function summary(measured: Report[]): Report & { runs: Report[] } {
  const sorted = measured.toSorted((a, b) => a.cpu_ms_per_patch - b.cpu_ms_per_patch);
  const each = measured.map(({ patches_per_second, cpu_ms_per_patch }) => ({ patches_per_second, cpu_ms_per_patch }));
  return { ...sorted[Math.floor(sorted.length / 2)], runs: each };
}

const summaries = new Map([...reports].map(([name, measured]) => [name, summary(measured)]));
if (values.json) {
  const [first] = summaries.values();
  console.log(JSON.stringify(summaries.size === 1 ? first : { ...Object.fromEntries(summaries), environment: environment() }, null, 2));
} else {
  console.table(
    [...summaries].map(([name, { patches_per_second, cpu_ms_per_patch, dispatch_fraction, runs: all }]) => ({
      name,
      patches_per_second,
      slowest: Math.min(...all.map((one) => one.patches_per_second)),
      fastest: Math.max(...all.map((one) => one.patches_per_second)),
      cpu_ms_per_patch,
      patches_per_cpu_second: Number((1000 / cpu_ms_per_patch).toPrecision(4)),
      dispatch_fraction,
    })),
  );
  for (const name of names) console.log(`${name}: ${CONFIGURATIONS[name].about}`);
  console.log(`medians of ${runs} interleaved runs${process.env.VOXFEED_BENCH_PINNED ? ' on one pinned core' : ''};`, environment());
}
