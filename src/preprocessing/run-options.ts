import { readGigabytes, readNumber } from '../common/flag-readers.ts';
import { availableCores } from '../common/granted.ts';
import type { Given, OptionTable } from '../common/options.ts';
import { callback, flag, wholeNumber } from '../common/schemas.ts';

/** How far a run over all cases is. */
export interface Progress {
  /** Reading cases, measuring labels, writing cases. */
  phase: 'fingerprint' | 'coverage' | 'preprocess';
  /** Cases of this phase. */
  done: number;
  total: number;
  /** Of `done`: what an earlier run had finished. */
  kept: number;
}

/** What every run over all cases takes. */
export const RUN_OPTIONS = {
  /** Worker threads; default: one per core. */
  workers: { schema: wholeNumber(1, 2 ** 16), otherwise: 'one per core', flag: '--workers N', read: readNumber, help: 'worker threads' },
  /** Cases that together would take more bytes wait for one another; one that would alone is refused. Default: half of the machine's. */
  maxMemoryBytes: {
    schema: wholeNumber(1, Number.MAX_SAFE_INTEGER),
    otherwise: "half of the machine's memory",
    flag: '--max-memory-gb N',
    read: readGigabytes,
    typed: 'a size in GiB, above 0',
    help: 'cases that together need more main memory wait for one another',
  },
  /** Refuse a case whose files differ in origin or direction. Default: that is noted, and they are used as if they did not, as in nnU-Net. */
  strictGeometry: {
    schema: flag(),
    default: false,
    flag: '--strict-geometry',
    help: 'refuse a case whose files differ in origin or direction, of which nnU-Net only warns',
  },
  /** Refuse voxels that are NaN or infinite. Default: where SimpleITK reads 0 in their place, that is done here, and noted. */
  strictVoxels: {
    schema: flag(),
    default: false,
    flag: '--strict-voxels',
    help: 'refuse voxels that are NaN or infinite, which SimpleITK reads as 0',
  },
  /** Told whenever a case is done. */
  onProgress: { schema: callback<(progress: Progress) => void>(), help: 'told whenever a case is done' },
} as const satisfies OptionTable;

export interface RunOptions extends Given<typeof RUN_OPTIONS> {}

/** Of `workers`; more than there are cases would have nothing to do. */
export function workersFor({ workers = availableCores() }: RunOptions, cases: readonly unknown[]): number {
  return Math.min(workers, cases.length);
}
