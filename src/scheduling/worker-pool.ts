import { Piscina } from 'piscina';
import { WorkerError } from '../common/errors.ts';
import { keepReplacedCode } from '../common/worker-file.ts';
import type { PatchAnswer, PatchTask, PatchWorkerData } from './patch-task.ts';

/** Tasks a worker has at once: one under way and one waiting in its port, so that it never idles for a round trip. */
export const TASKS_PER_WORKER = 2;

/** A worker's heap holds next to nothing (voxels live in the shared memory): one that runs away dies before the machine suffers. */
const WORKER_HEAP_MB = 512;

/** This many deaths in a row without one finished task mean that workers cannot live here. */
const HOPELESS = 50;

/** A worker ended without saying why: `process.exit`, or somebody terminated its thread. */
export class SilentDeath extends Error {}

/**
 * Piscina, kept alive: a worker that dies is replaced, also if it dies while it starts. A task whose worker died rejects; what
 * to do about it is the dispatcher's business.
 */
export class WorkerPool {
  readonly size: number;
  /** Workers that died and were replaced. */
  restarts = 0;
  readonly #piscina: Piscina<PatchTask | null, PatchAnswer>;
  /** Why workers cannot live here, once that is clear. */
  #hopeless: WorkerError | null = null;
  #deathsInARow = 0;
  #lastError: Error | null = null;
  #closed: Promise<void> | null = null;

  constructor(filename: string, size: number, workerData: PatchWorkerData) {
    this.size = size;
    keepReplacedCode();
    this.#piscina = new Piscina({
      filename,
      workerData,
      minThreads: size,
      maxThreads: size,
      idleTimeout: Infinity,
      concurrentTasksPerWorker: TASKS_PER_WORKER,
      resourceLimits: { maxOldGenerationSizeMb: WORKER_HEAP_MB },
      // Workers sleep in Atomics.waitAsync: a blocking wait would starve whatever else lives in the thread.
      atomics: 'async',
    });
    // Without a listener, an error in an idle worker would end the process.
    this.#piscina.on('error', (error: Error) => {
      this.#lastError = error;
    });
    this.#piscina.on('workerDestroy', () => this.#replace());
  }

  /** Resolves when every worker has loaded its module. @throws WorkerError if one cannot. */
  async ready(): Promise<void> {
    try {
      await Promise.all(Array.from({ length: this.size }, () => this.#piscina.run(null)));
    } catch (error) {
      throw new WorkerError(
        'workers',
        `a worker thread cannot start (${(error as Error).message})`,
        'Check the installation: run `npm run build` in a checkout, or install voxfeed again',
        { cause: error },
      );
    }
  }

  /** Rejects with what the worker died of, with a SilentDeath if it did not say, and with a WorkerError if workers cannot be kept alive at all. */
  async run(task: PatchTask): Promise<PatchAnswer> {
    try {
      const answer = await this.#piscina.run(task);
      this.#deathsInARow = 0;
      return answer;
    } catch (error) {
      if (this.#hopeless) throw this.#hopeless;
      this.#lastError = error as Error;
      // Piscina makes this error up when a thread exits; one that failed with an error rejects with that.
      throw /^worker exited with code/.test(this.#lastError.message) ? new SilentDeath(this.#lastError.message) : error;
    }
  }

  #replace(): void {
    if (this.#closed) return;
    this.restarts++;
    this.#deathsInARow++;
    // Deferred, because Piscina is still counting the dead one.
    setImmediate(() => {
      if (this.#closed) return;
      if (this.#deathsInARow > HOPELESS) this.#giveUp();
      // Piscina starts no new worker by itself after one died while starting. Where none is left, tasks it has queued would wait
      // for ever; one more task makes it start a worker.
      else if (this.#piscina.threads.length === 0) this.#piscina.run(null).catch(() => {});
    });
  }

  #giveUp(): void {
    const reason = this.#lastError?.message ?? 'no reason given';
    const what = `worker threads died ${HOPELESS} times in a row without finishing a task (${reason})`;
    this.#hopeless = new WorkerError('workers', what, 'Check memory and the files of the store', { cause: this.#lastError });
    // Whatever is under way or queued rejects with that.
    void this.close();
  }

  /** Ends every worker; resolves when their threads are gone. Piscina must not be destroyed twice: it would start new workers. */
  close(): Promise<void> {
    this.#closed ??= this.#piscina.destroy();
    return this.#closed;
  }
}
