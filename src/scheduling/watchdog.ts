import type { WorkerThread } from './worker-thread.ts';

/** How often is looked at least. */
const LOOK_MS = 1000;

/** A worker stood still with a task in its hands. */
export class Stall extends Error {
  /** Resolves when its thread is gone: before that its scratch memory is not to be used. */
  readonly gone: Promise<void>;

  constructor(seconds: number, gone: Promise<void>) {
    super(`it made no progress for ${seconds} s`);
    this.gone = gone;
  }
}

/** What a thread was at when it was last looked at, and how long it has been at that. */
interface Seen<T> {
  task: T;
  beats: number;
  still: number;
}

/** Ends threads whose task stands still. */
export class Watchdog<T> {
  readonly #seconds: number;
  readonly #threads: ReadonlySet<WorkerThread<T>>;
  readonly #beats: (task: T) => number;
  readonly #patience: (task: T) => number;
  readonly #seen = new WeakMap<WorkerThread<T>, Seen<T>>();
  #timer: NodeJS.Timeout | undefined;
  #lookedAt = 0;

  /**
   * @param seconds how long a task may stand still; 0: for ever
   * @param patience the same for a certain task, where it is not that
   */
  constructor(
    seconds: number,
    threads: ReadonlySet<WorkerThread<T>>,
    beats: (task: T) => number,
    patience: (task: T) => number = () => seconds,
  ) {
    this.#patience = patience;
    this.#seconds = seconds;
    this.#threads = threads;
    this.#beats = beats;
  }

  begin(): void {
    if (this.#timer !== undefined || this.#seconds === 0) return;
    this.#lookedAt = performance.now();
    const every = Math.min(LOOK_MS, (1000 * this.#seconds) / 4);
    // It watches while the process lives, and keeps it from nothing.
    this.#timer = setInterval(() => this.#look(every), every).unref();
  }

  end(): void {
    clearInterval(this.#timer);
  }

  #look(every: number): void {
    const now = performance.now();
    // Where this thread, or the machine, has slept, others may have done so, too.
    const passed = Math.min(now - this.#lookedAt, 2 * every);
    this.#lookedAt = now;
    for (const thread of this.#threads) {
      const { current: task } = thread;
      if (task === undefined) {
        this.#seen.delete(thread);
        continue;
      }
      const before = this.#seen.get(thread);
      const beats = this.#beats(task);
      const still = before?.task === task && before.beats === beats ? before.still + passed : 0;
      this.#seen.set(thread, { task, beats, still });
      const seconds = this.#patience(task);
      if (still >= 1000 * seconds) void thread.end(new Stall(seconds, thread.gone));
    }
  }
}
