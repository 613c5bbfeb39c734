import { availableParallelism } from 'node:os';
import { OptionError } from '../common/errors.ts';

/** How far a run over all cases is. */
export interface Progress {
  /** Reading cases, measuring labels, writing cases. */
  phase: 'fingerprint' | 'coverage' | 'preprocess';
  done: number;
  total: number;
  /** Of `done`: what an earlier run had finished. */
  kept: number;
}

/** What every run over all cases takes. */
export interface RunOptions {
  /** Worker threads; default: one per core. */
  workers?: number;
  /** Cases that together would take more bytes wait for one another; one that would alone is refused. Default: half of the machine's. */
  maxMemoryBytes?: number;
  onProgress?: (progress: Progress) => void;
}

/** @throws OptionError */
export function checkWorkers(workers = availableParallelism()): number {
  if (Number.isInteger(workers) && workers >= 1) return workers;
  throw new OptionError(
    'workers',
    `${workers} is not a whole number above 0`,
    'Give the number of worker threads, for example the number of cores',
  );
}
