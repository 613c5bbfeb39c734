import type { SlotPlan } from '../sampling/slot-plan.ts';
import type { ExposureCount } from './exposure-count.ts';
import type { StreamMetrics } from './metrics.ts';

/** A batch that was handed out, as it is counted. */
export interface Counted {
  configuration: number;
  plans: readonly SlotPlan[];
  /** Of each sample: whether it holds foreground, and the classes that it holds, see `Ring.seen`. */
  foreground: readonly boolean[];
  seen: readonly number[];
  /** How long somebody waited for it, in milliseconds. */
  waitMs: number;
}

/** What a stream has given, and how long was waited for it. */
export class StreamCount {
  /** Time spent on waiting for batches, and of it that in which their cases were copied, in milliseconds. */
  waitMs = 0;
  copyWaitMs = 0;
  batches = 0;
  readonly #exposure: ExposureCount;
  readonly #samples = { patches: 0, forced: 0, forcedWithoutForeground: 0, withForeground: 0 };
  #startedAt: number | null = null;

  constructor(exposure: ExposureCount) {
    this.#exposure = exposure;
  }

  /** Somebody asks: the first time, the clock begins to run. */
  start(at: number): void {
    this.#startedAt ??= at;
  }

  add({ configuration, plans, foreground, seen, waitMs }: Counted): void {
    const samples = this.#samples;
    this.batches++;
    samples.patches += plans.length;
    samples.forced += plans.filter(({ forced }) => forced).length;
    samples.forcedWithoutForeground += plans.filter(({ forced, classNumber }) => forced && classNumber === null).length;
    samples.withForeground += foreground.filter(Boolean).length;
    this.waitMs += waitMs;
    this.#exposure.add(configuration, seen);
  }

  /** @param waiting of those who wait now: since when, and what of it was copying, in milliseconds */
  metrics(ring: StreamMetrics['ring'], waiting: { since: readonly number[]; copyMs: number }): StreamMetrics {
    const now = performance.now();
    const elapsedMs = this.#startedAt === null ? 0 : now - this.#startedAt;
    const waitMs = waiting.since.reduce((sum, since) => sum + now - since, this.waitMs);
    return {
      batches: this.batches,
      ...this.#samples,
      exposure: this.#exposure.report(),
      ring,
      elapsedMs,
      waitMs,
      copyWaitMs: this.copyWaitMs + waiting.copyMs,
      waitFraction: elapsedMs === 0 ? 0 : Math.min(1, waitMs / elapsedMs),
      patchesPerSecond: elapsedMs === 0 ? 0 : (1000 * this.#samples.patches) / elapsedMs,
    };
  }
}
