/**
 * What a batch costs in Python, `npm run -s bench:bridge -- --python PYTHON [--runs N] [--config NAMES] [--no-peer] [--json]`.
 *
 * CPU time a batch, of all processes together, and patches a second: of a loader in Node alone, of one whose batches Python takes, made in
 * the memory that both have (mapped) or written there (copied), and of nnU-Net's own loader with two processes. All of it on one pinned
 * core, in turns, so that a slow spell of the machine hits all alike; reported are medians. PYTHON has the voxfeed package and nnunetv2.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Triple } from '../src/common/geometry.ts';
import { PatchLoader } from '../src/loader/loader.ts';
import { environment } from '../src/measuring/environment.ts';
import { measureThroughput } from '../src/measuring/throughput.ts';
import { syntheticStore } from './suite/synthetic-store.ts';

interface Configuration {
  patch: number[];
  batch: number;
  batches: number;
  peerBatches: number;
  targets: number;
}

const VOLUME: Triple = [160, 300, 300];
const CONFIGURATIONS: Record<string, Configuration> = {
  large: { patch: [128, 128, 128], batch: 2, batches: 60, peerBatches: 8, targets: 5 },
  small: { patch: [40, 56, 40], batch: 9, batches: 200, peerBatches: 30, targets: 3 },
};

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    runs: { type: 'string', default: '5' },
    config: { type: 'string', default: Object.keys(CONFIGURATIONS).join(',') },
    peer: { type: 'boolean', default: true },
    json: { type: 'boolean', default: false },
  },
  allowNegative: true,
});

// Again on one core.
if (!process.env.VOXFEED_BENCH_PINNED) {
  const env = { ...process.env, VOXFEED_BENCH_PINNED: '1' };
  const again = spawnSync('taskset', ['-c', '0', process.execPath, ...process.argv.slice(1)], { stdio: 'inherit', env });
  if (!again.error) process.exit(again.status ?? 1);
  process.stderr.write('not pinned to a core: there is no taskset here\n');
}

interface Measured {
  patches_per_second: number;
  cpu_ms_per_batch: number;
}

function inPython(script: string, words: string[], env: Record<string, string> = {}): Measured & { cpu_ms_per_patch?: number } {
  const printed = execFileSync(values.python, [join(import.meta.dirname, 'peers', script), ...words], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, VOXFEED_NODE: process.execPath, ...env },
  });
  return JSON.parse(printed);
}

const found = new Map<string, Measured[]>();
for (let run = 0; run < Number(values.runs); run++) {
  for (const name of values.config.split(',')) {
    const { patch, batch, batches, peerBatches, targets } = CONFIGURATIONS[name];
    const store = await syntheticStore(join(tmpdir(), `voxfeed-bench-${VOLUME.join('x')}-1`), 4, VOLUME);
    const deepSupervision = Array.from({ length: targets }, (_, i) => patch.map(() => 2 ** -i));
    const options = { patchSize: patch, batchSize: batch, seed: run, workers: 1, augmentation: 'default' as const, deepSupervision };
    const note = (way: string, measured: Measured): void =>
      void found.set(`${name}, ${way}`, [...(found.get(`${name}, ${way}`) ?? []), measured]);
    {
      await using loader = await PatchLoader.create({ store, ...options });
      const { patches_per_second, cpu_ms_per_patch } = await measureThroughput(loader, { batches, hash: false });
      note('Node alone', { patches_per_second, cpu_ms_per_batch: cpu_ms_per_patch * batch });
    }
    const taken = [store.dir, JSON.stringify(options), String(batches)];
    note('Python, mapped', inPython('bridge_consumer.py', taken));
    note('Python, copied', inPython('bridge_consumer.py', taken, { VOXFEED_NO_MAP: '1' }));
    if (values.peer) {
      const words = [store.dir, patch.join(), String(batch), String(peerBatches), 'default', String(targets), '--processes', '2'];
      const { patches_per_second, cpu_ms_per_patch = 0 } = inPython('nnunet_loader.py', words);
      note('nnU-Net, 2 processes', { patches_per_second, cpu_ms_per_batch: cpu_ms_per_patch * batch });
    }
    process.stderr.write(`run ${run + 1} of ${values.runs}: ${name}\n`);
  }
}

const median = (numbers: number[]): number => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
const rows = [...found].map(([name, all]) => ({
  name,
  cpu_ms_per_batch: Number(median(all.map((one) => one.cpu_ms_per_batch)).toPrecision(4)),
  patches_per_second: Number(median(all.map((one) => one.patches_per_second)).toPrecision(4)),
  each_cpu_ms: all.map((one) => Number(one.cpu_ms_per_batch.toPrecision(4))),
}));
if (values.json) console.log(JSON.stringify({ rows, environment: environment() }, null, 2));
else console.table(rows.map(({ each_cpu_ms, ...row }) => ({ ...row, each_cpu_ms: each_cpu_ms.join(' ') })));
