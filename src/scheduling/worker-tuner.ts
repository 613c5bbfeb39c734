import { publish } from '../common/channels.ts';
import { CoreWatch, type Machine } from '../common/machine.ts';
import { WorkerCount } from './worker-count.ts';
import type { WorkerPool } from './worker-pool.ts';

/** What there is to run on, and how often is looked, in milliseconds. */
export interface Tuning {
  machine: Machine;
  everyMs: number;
}

/** As long as a few batches take, and a thread to start. */
export const LOOK_MS = 250;

/**
 * Of a loader since it began: milliseconds in which somebody waited for a batch, samples handed out, samples made, and what these took all
 * workers together.
 */
export type Tally = () => { waitMs: number; handedOut: number; made: number; busyMs: number };

/** Changes the number of a pool's workers while it lives, see `WorkerCount`. Which worker makes a sample changes nothing about it. */
export class WorkerTuner {
  readonly #pool: WorkerPool;
  readonly #tally: Tally;
  readonly #count: WorkerCount;
  readonly #cores: CoreWatch;
  readonly #timer: NodeJS.Timeout;
  #before: { at: number } & ReturnType<Tally>;

  /** @param onMore told when there are more workers than before */
  constructor(pool: WorkerPool, most: number, tally: Tally, { machine, everyMs }: Tuning, onMore: () => void) {
    this.#pool = pool;
    this.#tally = tally;
    this.#count = new WorkerCount(most);
    this.#cores = new CoreWatch(machine);
    this.#before = { at: performance.now(), ...tally() };
    this.#timer = setInterval(() => this.#look(onMore), everyMs).unref();
  }

  #look(onMore: () => void): void {
    const [before, now] = [this.#before, { at: performance.now(), ...this.#tally() }];
    this.#before = now;
    const { size: workers, up, loaded } = this.#pool;
    const next = this.#count.next({
      passedMs: Math.max(1, now.at - before.at),
      workers,
      up,
      loaded,
      waitMs: now.waitMs - before.waitMs,
      workMs: ((now.handedOut - before.handedOut) * now.busyMs) / Math.max(1, now.made),
      freeCores: this.#cores.look(),
    });
    if (next === workers) return;
    publish('voxfeed:workers', () => ({ workers: next, before: workers }));
    this.#pool.resize(next);
    if (next > workers) onMore();
  }

  end(): void {
    clearInterval(this.#timer);
  }
}
