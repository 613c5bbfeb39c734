import type { StageMetrics } from './stage-metrics.ts';

/** What a stream gave so far. Times are in milliseconds and start with the first request for a batch. */
export interface StreamMetrics {
  /** Batches handed out. */
  batches: number;
  /** Samples in them. */
  patches: number;
  /** Samples that were meant to hold foreground. */
  forced: number;
  /** Forced samples of cases without any, which became random. */
  forcedWithoutForeground: number;
  /** Samples that do hold foreground. */
  withForeground: number;
  /**
   * For each class with a target exposure: the target, and the part of the samples so far that hold it. Of mixed configurations those
   * count that have a target for it; where the targets differ, `target` is what they come to for these samples.
   */
  exposure: Record<string, { target: number; realised: number }>;
  /**
   * Batches of the stream's ring: how many there are, how many are being filled, wait to be handed out, and are in somebody's hands; and how
   * many more somebody has asked for.
   */
  ring: { batches: number; filling: number; ready: number; held: number; waiting: number };
  elapsedMs: number;
  /** Time in which somebody waited for a batch. */
  waitMs: number;
  /** Of that, time in which the batch that came next waited for its cases to be copied, with `localCache`. */
  copyWaitMs: number;
  /** waitMs / elapsedMs: 0 if the loader is always ahead of its consumer, near 1 if nothing but the loader takes time. */
  waitFraction: number;
  patchesPerSecond: number;
}

/** What a loader did so far: its training stream, and the workers that fill all its streams. */
export interface LoaderMetrics extends StreamMetrics, StageMetrics {
  /** Time that all workers together spent on samples. */
  workerBusyMs: number;
  /** Of that, what they computed: the rest they waited, for a disk or for a core. */
  workerCpuMs: number;
  /** Samples done again after a failure. */
  redone: number;
  /** Workers that died and were replaced. */
  workerRestarts: number;
  workers: number;
}
