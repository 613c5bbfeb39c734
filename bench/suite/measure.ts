/**
 * Does one job, given as JSON, and prints what it took as JSON: `runJob` starts it in a process of its own, as a process that measured
 * something else before has other memory and other compiled code. What is measured is `dist/`, which `npm run build` makes.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PatchLoader } from '../../src/loader/loader.ts';
import type { Job } from './job.ts';

type Measured = Record<string, number>;
const MIB = 2 ** 20;

const peakMib = (): number => process.resourceUsage().maxRSS / 1024;

const job = JSON.parse(process.argv[2]) as Job;
// The built package, as users have it: TypeScript would be stripped first, in each thread.
const BUILT = '../../dist/index.js';
const { openStore, PatchLoader: Loader } = (await import(BUILT)) as typeof import('../../src/index.ts');

async function measure(): Promise<Measured> {
  switch (job.kind) {
    case 'stream':
      return stream(job);
    case 'stages':
      return stages(job);
    case 'cold':
      return cold(job);
    case 'main-thread':
      return mainThread(job);
    case 'consumer':
      return consumer(job);
    case 'open':
      return open(job);
  }
}

function cpuMs(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

async function take(loader: PatchLoader, batches: number): Promise<number> {
  let patches = 0;
  for (let i = 0; i < batches; i++) {
    using batch = await loader.next();
    patches += batch.plans.length;
  }
  return patches;
}

const ringOf = (loader: PatchLoader): number => loader.shared().layout.rings[0];

/** Batches come in bursts, of up to a ring where the consumer sleeps: what is counted is to be many of them. */
const enough = (loader: PatchLoader, batches: number, rings: number): number => Math.max(batches, rings * ringOf(loader));

/** Everything but the cold start: compiled kernels, full rings, cases in memory. */
async function stream({ store, options, batches, warmUp }: Extract<Job, { kind: 'stream' }>): Promise<Measured> {
  const { measureThroughput } = await import('../../src/measuring/throughput.ts');
  await using loader = await Loader.create({ store: await openStore(store), ...options });
  await take(loader, warmUp);
  const found = await measureThroughput(loader, { batches: enough(loader, batches, 5), hash: false });
  return {
    patches_per_second: found.patches_per_second,
    cpu_ms_per_patch: found.cpu_ms_per_patch,
    peak_mib: found.peak_rss_bytes / MIB,
    loader_mib: loader.memory().totalBytes / MIB,
  };
}

/** Milliseconds a patch. */
async function stages({ store, options, batches, warmUp }: Extract<Job, { kind: 'stages' }>): Promise<Measured> {
  await using loader = await Loader.create({ store: await openStore(store), ...options });
  await take(loader, warmUp + 2 * ringOf(loader));
  const { stages: before } = loader.metrics();
  const patches = await take(loader, enough(loader, batches, 5));
  const after = Object.entries(loader.metrics().stages) as [keyof typeof before, number][];
  return Object.fromEntries(after.map(([stage, ms]) => [`stage_${stage}`, (ms - before[stage]) / patches]));
}

async function cold({ store, options, batches }: Extract<Job, { kind: 'cold' }>): Promise<Measured> {
  await using loader = await Loader.create({ store: await openStore(store), ...options, ring: 2 });
  const [before, start] = [process.cpuUsage(), performance.now()];
  const patches = await take(loader, batches);
  return { patches_per_second: (1000 * patches) / (performance.now() - start), cpu_ms_per_patch: cpuMs(before) / patches };
}

async function mainThread({ store, options, batches, warmUp, sampleMs }: Extract<Job, { kind: 'main-thread' }>): Promise<Measured> {
  process.env.VOXFEED_BENCH_SAMPLE_MS = String(sampleMs);
  const given = { store: await openStore(store), ...options };
  await using loader = await Loader.create(given, join(import.meta.dirname, 'simulated-worker.ts'));
  await take(loader, warmUp + 2 * ringOf(loader));
  const count = enough(loader, batches, 10);
  const [before, idle] = [process.threadCpuUsage(), performance.eventLoopUtilization()];
  const start = performance.now();
  const patches = await take(loader, count);
  const { user, system } = process.threadCpuUsage(before);
  return {
    patches_per_second: (1000 * patches) / (performance.now() - start),
    scheduler_cpu_ms_per_batch: (user + system) / 1000 / count,
    event_loop_utilisation_percent: 100 * performance.eventLoopUtilization(idle).utilization,
    peak_mib: peakMib(),
  };
}

async function consumer({ store, options, batches, consumerMs }: Extract<Job, { kind: 'consumer' }>): Promise<Measured> {
  await using loader = await Loader.create({ store: await openStore(store), ...options });
  const ring = ringOf(loader);
  let waitMs = 0;
  const consume = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const asked = performance.now();
      using _ = await loader.next();
      waitMs += performance.now() - asked;
      await sleep(consumerMs);
    }
  };
  // What lies in the ring when it begins would hide that the loader is too slow.
  await take(loader, 2 * ring);
  await consume(ring);
  waitMs = 0;
  const [before, start] = [process.cpuUsage(), performance.now()];
  await consume(batches);
  const elapsed = performance.now() - start;
  return { consumer_ms: consumerMs, wait_percent: (100 * waitMs) / elapsed, cpu_ms_per_batch: cpuMs(before) / batches };
}

async function open({ store }: Extract<Job, { kind: 'open' }>): Promise<Measured> {
  const [before, start] = [process.cpuUsage(), performance.now()];
  const { cases } = await openStore(store);
  const [open_ms, cpu_ms] = [performance.now() - start, cpuMs(before)];
  if (cases.length === 0) throw new Error(`${store} has no cases`);
  return { open_ms, cpu_ms, peak_mib: peakMib() };
}

console.log(JSON.stringify(await measure()));
