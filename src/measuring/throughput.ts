import { Digest } from '../common/hash.ts';
import type { Batch } from '../loader/batch.ts';
import type { PatchLoader } from '../loader/loader.ts';
import type { LoaderMetrics } from '../loader/metrics.ts';
import type { MemoryReport } from '../shared-memory/layout.ts';
import { type Environment, environment } from './environment.ts';

/** Batches come in bursts: to time less than this, or fewer batches than the ring holds, is to time a part of one. */
const LEAST_SECONDS = 0.5;

/** What was measured. `voxfeed bench` reports `tellable` of it; the keys are those of its JSON. */
export interface ThroughputReport {
  patches_per_second: number;
  /** CPU time of the whole process, all threads, divided by patches. */
  cpu_ms_per_patch: number;
  /** Whether too little was timed to tell the two above. */
  too_few: boolean;
  /** The part of the time in which the consumer waited for a batch; near 1 here, because it does nothing else. */
  wait_fraction: number;
  /** The part of the workers' time that was not spent on samples: handing out tasks, waiting for free batches. */
  dispatch_fraction: number;
  /** xxHash64 over data and target of every batch in order; null if it was left out. */
  stream_hash: string | null;
  /** What the first `batches` batches of the stream were, by configuration. */
  configs: Record<string, { batches: number; patches: number }>;
  /** Of the same ones. */
  foreground: { forced: number; with_foreground: number; patches: number };
  /** For each class with a target exposure: the target, and the part of all patches streamed that hold it. */
  exposure: LoaderMetrics['exposure'];
  peak_rss_bytes: number;
  /** What the loader sized before the first batch, part by part. */
  memory: MemoryReport;
  batches: number;
  workers: number;
  environment: Environment;
}

/** A report with null in place of figures that nobody can tell. */
export type TellableReport = { [K in keyof ThroughputReport]: ThroughputReport[K] | (K extends RateName ? null : never) };
type RateName = 'patches_per_second' | 'cpu_ms_per_patch';

export function tellable(report: ThroughputReport): TellableReport {
  return report.too_few ? { ...report, patches_per_second: null, cpu_ms_per_patch: null } : report;
}

export interface ThroughputOptions {
  batches: number;
  hash: boolean;
  /** Measure the validation stream. Default: the training stream. */
  validation?: boolean;
  onBatch?: (done: number, total: number) => void;
}

/**
 * Streams from a loader that has not been used yet and measures. Hashing would take time from what is measured, so it has batches
 * of its own: the first `batches` of the stream are hashed, a few settle the pipeline, and as many again are timed.
 */
export async function measureThroughput(
  loader: PatchLoader,
  { batches, hash, validation = false, onBatch = () => {} }: ThroughputOptions,
): Promise<ThroughputReport> {
  const source = validation ? loader.validation : loader.training;
  const ring = loader.shared().layout.rings[validation ? 1 : 0];
  const configs: ThroughputReport['configs'] = {};
  const foreground = { forced: 0, with_foreground: 0, patches: 0 };
  const count = (batch: Batch): void => {
    if (batch.index >= batches) return;
    configs[batch.config] ??= { batches: 0, patches: 0 };
    const counted = configs[batch.config];
    counted.batches++;
    counted.patches += batch.plans.length;
    foreground.patches += batch.plans.length;
    foreground.forced += batch.plans.filter(({ forced }) => forced).length;
    foreground.with_foreground += batch.foreground.filter(Boolean).length;
  };
  const hashed = hash ? batches : 0;
  // Batches that are ready when the clock starts would be counted without having been made: take them all first.
  const settling = 2 * ring;
  const total = hashed + settling + batches;
  let done = 0;
  let waitMs = 0;
  const stream = async (length: number, use: (batch: Batch) => void): Promise<number> => {
    let patches = 0;
    for (let i = 0; i < length; i++) {
      const asked = performance.now();
      using batch = await source.next();
      waitMs += performance.now() - asked;
      use(batch);
      patches += batch.plans.length;
      onBatch(++done, total);
    }
    return patches;
  };

  const digest = await Digest.create();
  await stream(hashed, (batch) => {
    digest.update(batch.data).update(batch.target);
    count(batch);
  });
  await stream(settling, count);

  waitMs = 0;
  const busyBefore = loader.metrics().workerBusyMs;
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  const patches = await stream(batches, count);
  const elapsedMs = performance.now() - start;
  const cpu = process.cpuUsage(cpuBefore);
  const { workerBusyMs, workers } = loader.metrics();
  const { exposure } = source.metrics();
  return {
    patches_per_second: round((1000 * patches) / elapsedMs),
    cpu_ms_per_patch: round((cpu.user + cpu.system) / 1000 / patches),
    too_few: elapsedMs < 1000 * LEAST_SECONDS || batches < ring,
    wait_fraction: round(Math.min(1, waitMs / elapsedMs)),
    dispatch_fraction: round(Math.max(0, 1 - (workerBusyMs - busyBefore) / (elapsedMs * workers))),
    stream_hash: hash ? digest.hex() : null,
    configs,
    foreground,
    exposure,
    peak_rss_bytes: process.resourceUsage().maxRSS * 1024,
    memory: loader.memory(),
    batches,
    workers,
    environment: environment(),
  };
}

/** Four significant digits: more would claim a precision that no timing has. */
function round(value: number): number {
  return Number(value.toPrecision(4));
}
