import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { CoreWatch, type Machine } from '../common/machine.ts';
import type { Batch } from './batch.ts';
import type { Measurements, WorkerStage } from './diagnosis.ts';
import type { LoaderMetrics } from './metrics.ts';
import type { Settings } from './settings.ts';

/** How often is looked at the ring. */
const LOOK_MS = 10;
/** Where batches are slow: so many at least, unless that takes so many times as long. */
const LEAST_BATCHES = 5;
const MOST_PATIENCE = 4;

/** A loader, as far as measuring it goes. */
export interface Watched {
  metrics(): LoaderMetrics;
  next(options: { signal: AbortSignal }): Promise<Batch>;
}

/** Means over the looks at which somebody waited for a batch. */
class RingWatch implements Disposable {
  readonly #timer: NodeJS.Timeout;
  #looks = 0;
  #held = 0;
  #free = 0;

  constructor(metrics: () => LoaderMetrics) {
    this.#timer = setInterval(() => {
      const { batches, filling, ready, held, waiting } = metrics().ring;
      if (waiting === 0) return;
      this.#looks++;
      this.#held += held;
      this.#free += batches - filling - ready - held;
    }, LOOK_MS).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  means(): { held: number; free: number } {
    const looks = Math.max(1, this.#looks);
    return { held: this.#held / looks, free: this.#free / looks };
  }
}

/**
 * Measures a stream for some seconds.
 * @param consumerMs whether to be the consumer: take batches, and keep each for so many milliseconds; null: watch who is
 * @param settings read when all is measured
 */
export async function watch(
  loader: Watched,
  { seconds, consumerMs }: { seconds: number; consumerMs: number | null },
  machine: Machine,
  settings: () => Settings,
): Promise<Measurements> {
  const { signal, abort } = endable();
  const consuming = consumerMs === null ? null : consume(loader, consumerMs, signal);
  // The batches that were made before would be counted.
  const { ring } = loader.metrics();
  if (consuming !== null) await until(() => loader.metrics().batches >= ring.batches, 1000 * seconds, consuming);

  const [before, loop, cores] = [loader.metrics(), performance.eventLoopUtilization(), new CoreWatch(machine)];
  const queuedBefore = machine.queuedMs();
  using looks = new RingWatch(() => loader.metrics());
  const start = performance.now();
  /** Of one who asks at all. */
  const enough = (): boolean => {
    const { batches, ring } = loader.metrics();
    const made = batches - before.batches;
    return made >= LEAST_BATCHES || (made === 0 && ring.waiting === 0);
  };
  try {
    await pause(1000 * seconds, consuming);
    await until(enough, 1000 * seconds * (MOST_PATIENCE - 1), consuming);
    const elapsedMs = performance.now() - start;
    const after = loader.metrics();
    const queued = machine.queuedMs();
    // Threads that have ended meanwhile took theirs with them.
    const queuedMs = queued === null || queuedBefore === null ? null : Math.max(0, queued - queuedBefore);
    const measured = { elapsedMs, queuedMs, freeCores: cores.look(), loop: performance.eventLoopUtilization(loop), ring: looks.means() };
    return compare(before, after, measured, consumerMs, machine, settings());
  } finally {
    abort();
    await consuming;
  }
}

/** What became of a loader between two looks at its metrics. */
function compare(
  before: LoaderMetrics,
  after: LoaderMetrics,
  measured: {
    elapsedMs: number;
    queuedMs: number | null;
    freeCores: number;
    loop: EventLoopUtilization;
    ring: { held: number; free: number };
  },
  consumerMs: number | null,
  machine: Machine,
  settings: Settings,
): Measurements {
  const { elapsedMs, queuedMs, freeCores, loop, ring } = measured;
  const batches = after.batches - before.batches;
  const waitFraction = Math.min(1, (after.waitMs - before.waitMs) / elapsedMs);
  const busyMs = after.workerBusyMs - before.workerBusyMs;
  const part = (ms: number): number => (busyMs === 0 ? 0 : Math.max(0, ms) / busyMs);
  const { plan, dispatch, ...inWorkers } = after.stages;
  const stages = Object.entries(inWorkers).map(([stage, ms]) => [stage, part(ms - before.stages[stage as WorkerStage])]);
  const transforms = Object.entries(after.transforms).map(([name, { ms }]) => [name, part(ms - (before.transforms[name]?.ms ?? 0))]);
  return {
    ...settings,
    seconds: elapsedMs / 1000,
    batches,
    samples: after.patches - before.patches,
    waitFraction,
    copying: Math.min(1, (after.copyWaitMs - before.copyWaitMs) / elapsedMs),
    consumerMs: consumerMs ?? (batches === 0 ? 0 : ((1 - waitFraction) * elapsedMs) / batches),
    workers: after.workers,
    busy: Math.min(1, busyMs / (elapsedMs * after.workers)),
    stages: Object.fromEntries(stages),
    transforms: Object.fromEntries(transforms),
    blocked: part(busyMs - (after.workerCpuMs - before.workerCpuMs)),
    queued: queuedMs === null ? null : part(queuedMs),
    mainThread: { busy: loop.utilization, scheduling: (plan + dispatch - before.stages.plan - before.stages.dispatch) / elapsedMs },
    cores: { granted: machine.cores, free: freeCores },
    ring: { ...settings.ring, batches: after.ring.batches, ...ring },
  };
}

/** Takes batches until the signal, and keeps each for so long. */
async function consume(loader: Watched, consumerMs: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      using _batch = await loader.next({ signal });
      if (consumerMs > 0) await wait(consumerMs, undefined, { signal });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

function endable(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

/** So long, or until the consumer fails. */
async function pause(ms: number, consuming: Promise<void> | null): Promise<void> {
  await Promise.race([wait(ms), ...(consuming === null ? [] : [consuming])]);
}

async function until(done: () => boolean, mostMs: number, consuming: Promise<void> | null): Promise<void> {
  const end = performance.now() + mostMs;
  while (!done() && performance.now() < end) await pause(LOOK_MS, consuming);
}
