import type { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { beforeEnd } from '../common/thread-end.ts';
import { inheritedFlags, makeThread } from '../common/worker-file.ts';
import { outlived } from './hung-threads.ts';

/** A worker's heap holds next to nothing (voxels live in the shared memory): one that runs away dies before the machine suffers. */
const WORKER_HEAP_MB = 512;
/** How long a thread may take to end when it is told to. JavaScript ends at once; a system call ends when the system likes. */
const GRACE_MS = 2000;

/** A thread ended without saying why: `process.exit`, or somebody terminated it. */
export class SilentDeath extends Error {}

/** The module of a thread cannot be loaded. */
export class LoadError extends Error {}

/** What a thread that the system refuses fails with, or one that runs away before it has begun. */
const STARTING = ['ERR_WORKER_INIT_FAILED', 'ERR_WORKER_OUT_OF_MEMORY'];

/** One task in the hands of a thread. */
interface Job<T> {
  task: T;
  reject: (reason: Error) => void;
}

/**
 * One thread that does tasks, in order, until it dies: a pool of Piscina's with that one thread. Of several threads in one pool, one that
 * the system refuses in the place of a dead one would end the process, and one that hangs in a system call would keep the pool from closing.
 */
export class WorkerThread<T> {
  /** Resolves when the thread is gone. Of one that hangs in a system call that may be never. */
  readonly gone: Promise<void>;
  /** Whether it has loaded its module: it has answered something. */
  ready = false;
  readonly #piscina: Piscina<T, unknown>;
  readonly #worker: Worker;
  readonly #jobs = new Set<Job<T>>();
  readonly #onEnd: (reason: Error) => void;
  #ended = false;
  /** What it dies of, once that is clear. */
  #cause: Error | null = null;
  #ending: Promise<boolean> | null = null;

  /**
   * @param module whose default export does the tasks
   * @param atOnce tasks it may have: one under way, the others in its port
   * @param onEnd told once, after the tasks in its hands were rejected: the thread does nothing any more
   * @throws WorkerError if the system gives no more threads
   */
  constructor(module: string, workerData: unknown, atOnce: number, onEnd: (reason: Error) => void) {
    this.#onEnd = onEnd;
    const execArgv = inheritedFlags();
    this.#piscina = makeThread(
      () =>
        new Piscina({
          filename: module,
          workerData,
          minThreads: 1,
          maxThreads: 1,
          idleTimeout: Infinity,
          concurrentTasksPerWorker: atOnce,
          resourceLimits: { maxOldGenerationSizeMb: WORKER_HEAP_MB },
          // Workers sleep in Atomics.waitAsync: a blocking wait would starve whatever else lives in the thread.
          atomics: 'async',
          // Its two histograms are 0.7 MB outside of V8's heap, which V8 does not count: those of closed loaders would pile up.
          recordTiming: false,
          ...(execArgv && { execArgv }),
        }),
      ({ threads: [thread] }) => thread,
    );
    // Whoever replaces a dead thread makes another pool: this one is to start none.
    this.#piscina.options.minThreads = 0;
    [this.#worker] = this.#piscina.threads;
    this.gone = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        resolve();
        this.#end(this.#cause ?? new SilentDeath(`worker exited with code: ${code}`));
      });
    });
    this.#worker.prependListener('error', (error: unknown) => {
      const cause = error instanceof Error ? error : new Error(String(error));
      // What the module throws when it is loaded ends the thread, too.
      this.#cause ??=
        this.ready || STARTING.includes((error as NodeJS.ErrnoException).code ?? '') ? cause : new LoadError(cause.message, { cause });
    });
    // It is heard of above; without a listener, it would end the process.
    this.#piscina.on('error', () => {});
  }

  /** How many tasks it has: one under way, and those that wait in its port. */
  get load(): number {
    return this.#jobs.size;
  }

  /** The task under way, if there is one. */
  get current(): T | undefined {
    for (const { task } of this.#jobs) return task;
    return undefined;
  }

  /** Rejects with what the thread died of, or with what the task threw. */
  run<R>(task: T): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      const job: Job<T> = { task, reject };
      this.#jobs.add(job);
      // It is dying: Piscina would start another thread for it.
      if (this.#cause !== null) return;
      this.#piscina.run(task).then(
        (result) => {
          this.ready = true;
          if (this.#jobs.delete(job)) resolve(result as R);
        },
        (error: Error) => {
          // What a thread dies of is told to all of its tasks, once it is gone.
          if (this.#cause === null && this.#jobs.delete(job)) reject(error);
        },
      );
    });
  }

  /** Ends it, whatever it is at. Resolves when it is gone, or when it hangs where nobody can end it; says whether it is gone. */
  end(cause: Error): Promise<boolean> {
    this.#cause ??= cause;
    this.#ending ??= this.#terminate(this.#cause);
    return this.#ending;
  }

  async #terminate(cause: Error): Promise<boolean> {
    await beforeEnd(this.#worker);
    void this.#piscina.destroy();
    let timer: NodeJS.Timeout | undefined;
    const hangs = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), GRACE_MS);
    });
    const isGone = await Promise.race([this.gone.then(() => true), hangs]);
    clearTimeout(timer);
    if (!isGone) {
      this.#worker.unref();
      outlived(this.gone);
      this.#end(cause);
    }
    return isGone;
  }

  #end(cause: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cause ??= cause;
    // Only what was under way can be to blame.
    const [current, ...waiting] = this.#jobs;
    this.#jobs.clear();
    current?.reject(cause);
    for (const { reject } of waiting) reject(new SilentDeath(cause.message));
    this.#onEnd(cause);
  }
}
