import type { Worker } from 'node:worker_threads';
import { type PackedError, unpack } from '../common/errors.ts';
import { startThread } from '../common/worker-file.ts';
import { outlived } from './hung-threads.ts';

/** A worker's heap holds next to nothing (voxels live in the shared memory): one that runs away dies before the machine suffers. */
const WORKER_HEAP_MB = 512;
/** How long a thread may take to end when it is told to. JavaScript ends at once; a system call ends when the system likes. */
const GRACE_MS = 2000;

export type ToThread = { id: number; task: unknown };
/** `failed`: the module could not be loaded. */
export type FromThread = { id: number; result: unknown } | { id: number; error: PackedError } | { failed: PackedError };

/** A thread ended without saying why: `process.exit`, or somebody terminated it. */
export class SilentDeath extends Error {}

/** The module of a thread cannot be loaded. */
export class LoadError extends Error {}

/** One task in the hands of a thread. */
interface Job<T> {
  task: T;
  resolve: (result: never) => void;
  reject: (reason: Error) => void;
}

/** One thread that does tasks, in order, until it dies. */
export class WorkerThread<T> {
  /** Resolves when the thread is gone. Of one that hangs in a system call that may be never. */
  readonly gone: Promise<void>;
  /** Whether it has loaded its module: it has answered something. */
  ready = false;
  readonly #worker: Worker;
  readonly #jobs = new Map<number, Job<T>>();
  readonly #onEnd: (reason: Error) => void;
  #count = 0;
  #ended = false;
  /** What it dies of, once that is clear. */
  #cause: Error | null = null;
  #ending: Promise<boolean> | null = null;

  /**
   * @param module whose default export does the tasks
   * @param onEnd told once, after the tasks in its hands were rejected: the thread does nothing any more
   * @throws Error if the system gives no more threads
   */
  constructor(module: string, workerData: unknown, onEnd: (reason: Error) => void) {
    this.#onEnd = onEnd;
    const resourceLimits = { maxOldGenerationSizeMb: WORKER_HEAP_MB };
    this.#worker = startThread('task-loop', { argv: [module], workerData, resourceLimits });
    this.gone = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        resolve();
        this.#end(this.#cause ?? new SilentDeath(`worker exited with code: ${code}`));
      });
    });
    this.#worker.on('error', (error: unknown) => {
      this.#cause ??= error instanceof Error ? error : new Error(String(error));
    });
    this.#worker.on('message', (message: FromThread) => this.#hear(message));
    this.#worker.unref();
  }

  /** How many tasks it has: one under way, and those that wait in its port. */
  get load(): number {
    return this.#jobs.size;
  }

  /** The task under way, if there is one. */
  get current(): T | undefined {
    for (const { task } of this.#jobs.values()) return task;
    return undefined;
  }

  /** Rejects with what the thread died of, or with what the task threw. */
  run<R>(task: T): Promise<R> {
    const id = this.#count++;
    // Somebody waits for it: the process stays.
    this.#worker.ref();
    return new Promise<R>((resolve, reject) => {
      this.#jobs.set(id, { task, resolve: resolve as (result: never) => void, reject });
      this.#worker.postMessage({ id, task } satisfies ToThread);
    });
  }

  #hear(message: FromThread): void {
    if ('failed' in message) {
      this.end(new LoadError(message.failed.what));
      return;
    }
    this.ready = true;
    const job = this.#jobs.get(message.id);
    this.#jobs.delete(message.id);
    if (this.#jobs.size === 0) this.#worker.unref();
    if ('error' in message) job?.reject(unpack(message.error));
    else job?.resolve(message.result as never);
  }

  /** Ends it, whatever it is at. Resolves when it is gone, or when it hangs where nobody can end it; says whether it is gone. */
  end(cause: Error): Promise<boolean> {
    this.#cause ??= cause;
    this.#ending ??= this.#terminate(this.#cause);
    return this.#ending;
  }

  async #terminate(cause: Error): Promise<boolean> {
    void this.#worker.terminate();
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
    // Only what was under way can be to blame.
    const [current, ...waiting] = this.#jobs.values();
    this.#jobs.clear();
    current?.reject(cause);
    for (const { reject } of waiting) reject(new SilentDeath(cause.message));
    this.#onEnd(cause);
  }
}
