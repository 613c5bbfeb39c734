import { shortOfAddresses } from '../common/addresses.ts';
import { unpack, WorkerError } from '../common/errors.ts';
import { keepReplacedStripper } from '../common/replaced-code.ts';
import { noThreads } from '../common/worker-file.ts';
import { DeathToll } from './death-toll.ts';
import type { PatchAnswer, PatchTask, PatchWorkerData } from './patch-task.ts';
import { Watchdog } from './watchdog.ts';
import { LoadError, WorkerThread } from './worker-thread.ts';

/** Tasks a worker has at once: one under way and one waiting in its port, so that it never idles for a round trip. */
export const TASKS_PER_WORKER = 2;

/** Between two tries to start a thread that the system refuses, and how many there are while no other thread lives. */
const RETRY_MS = 500;
const TRIES = 5;

/**
 * How long a thread may take to come up at least: modules are loaded then, which takes long where many threads share a core, or where they
 * lie on a network file system.
 */
const START_SECONDS = 60;

const REINSTALL = 'Check the installation: run `npm run build` in a checkout, or install voxfeed again';

/** What a pool wants to know of its owner. */
export interface PoolOptions {
  /** How long a task may stand still, in seconds; 0: for ever. */
  stallSeconds: number;
  /** A number that changes whenever a task gets on. */
  beats: (task: PatchTask) => number;
}

interface Queued {
  task: PatchTask | null;
  resolve: (answer: PatchAnswer | PromiseLike<PatchAnswer>) => void;
  reject: (reason: Error) => void;
}

/** There is no more need of a worker. */
class Dismissal extends Error {}

/**
 * Worker threads, kept alive: one that dies is replaced, also if it dies while it starts, and so is one that stands still. A task whose
 * worker died rejects; what to do about it is the dispatcher's business.
 */
export class WorkerPool {
  #size: number;
  readonly #comeAndGo: boolean;
  readonly #start: () => WorkerThread<PatchTask | null>;
  readonly #threads = new Set<WorkerThread<PatchTask | null>>();
  /** Those of them that get no more tasks, and end with the last one that they have. */
  readonly #leaving = new Set<WorkerThread<PatchTask | null>>();
  readonly #queue: Queued[] = [];
  readonly #toll: DeathToll;
  readonly #watchdog: Watchdog<PatchTask | null>;
  readonly #ready = Promise.withResolvers<void>();
  /** Whether all threads have been up at once. */
  #up = false;
  /** How often in a row the system refused a thread. */
  #refused = 0;
  #retry: NodeJS.Timeout | undefined;
  /** Why workers cannot live here, once that is clear. */
  #hopeless: WorkerError | null = null;
  #closed: Promise<boolean> | null = null;

  /** @param most as many workers as `resize` will ever ask for */
  constructor(filename: string, size: number, workerData: PatchWorkerData, { stallSeconds, beats }: PoolOptions, most = size) {
    this.#size = size;
    this.#comeAndGo = most > size;
    keepReplacedStripper();
    this.#toll = new DeathToll(most);
    this.#watchdog = new Watchdog<PatchTask | null>(
      stallSeconds,
      this.#threads,
      (task) => (task === null ? 0 : beats(task)),
      (task) => (task === null ? Math.max(START_SECONDS, stallSeconds) : stallSeconds),
    );
    this.#start = () => {
      const thread = new WorkerThread<PatchTask | null>(filename, workerData, TASKS_PER_WORKER, (cause) => this.#replace(thread, cause));
      return thread;
    };
    this.#ready.promise.catch(() => {});
    this.#fill();
  }

  /** How many workers there should be. */
  get size(): number {
    return this.#size;
  }

  /** Whether there are as many workers as there should be, and all have loaded their module. */
  get up(): boolean {
    return this.#staying().length === this.#size && this.#staying().every(({ ready }) => ready);
  }

  /** Whether each of them has something to do. */
  get loaded(): boolean {
    return this.#staying().every(({ load }) => load > 0);
  }

  /** From now on there are so many workers. Those that are too many end when they have done what they have in their hands. */
  resize(size: number): void {
    if (this.#closed !== null) return;
    this.#size = size;
    const staying = this.#staying().toSorted((a, b) => a.load - b.load);
    for (const thread of staying.slice(0, Math.max(0, staying.length - size))) this.#leaving.add(thread);
    // Who has not left yet may as well stay.
    const busy = [...this.#leaving].filter(({ load }) => load > 0);
    for (const thread of busy.slice(0, Math.max(0, size - staying.length))) this.#leaving.delete(thread);
    this.#dismiss();
    this.#fill();
    this.#handOut();
  }

  #staying(): WorkerThread<PatchTask | null>[] {
    return [...this.#threads].filter((thread) => !this.#leaving.has(thread));
  }

  /** Ends those that have left and have nothing in their hands. */
  #dismiss(): void {
    for (const thread of this.#leaving) if (thread.load === 0) void thread.end(new Dismissal('it is not needed any more'));
  }

  /** Workers that died and were replaced. */
  get restarts(): number {
    return this.#toll.total;
  }

  /** Resolves when every worker has loaded its module. @throws WorkerError if one cannot. */
  ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Rejects with what the worker died of, and with a WorkerError if workers cannot be kept alive at all. */
  run(task: PatchTask): Promise<PatchAnswer> {
    if (this.#hopeless) return Promise.reject(this.#hopeless);
    return new Promise((resolve, reject) => {
      this.#queue.push({ task, resolve, reject });
      this.#handOut();
    });
  }

  /** Not before all are up: until then, a death says that threads cannot start here, and nothing of a sample. */
  #handOut(): void {
    while (this.#up && this.#queue.length > 0) {
      const free = this.#staying().filter(({ ready, load }) => ready && load < TASKS_PER_WORKER);
      if (free.length === 0) return;
      const thread = free.reduce((least, each) => (each.load < least.load ? each : least));
      const { task, resolve, reject } = this.#queue.shift() as Queued;
      thread
        .run<PatchAnswer>(task)
        .then((answer) => {
          this.#toll.taskDone();
          resolve(answer);
        }, reject)
        .then(() => {
          this.#dismiss();
          this.#handOut();
        });
    }
  }

  /** As many threads as there should be, as far as the system gives them. */
  #fill(): void {
    while (this.#staying().length < this.#size && this.#closed === null) {
      try {
        this.#add(this.#start());
      } catch (error) {
        if (!(error instanceof WorkerError)) throw error;
        this.#refuse(error);
        return;
      }
    }
  }

  /** A new thread is ready when it has answered that it has nothing to do. */
  #add(thread: WorkerThread<PatchTask | null>): void {
    this.#threads.add(thread);
    this.#watchdog.begin();
    thread.run<PatchAnswer>(null).then(
      ({ error }) => {
        // A module of the user's that cannot be imported here. What a thread dies of comes another way.
        if (error !== undefined) {
          if (!this.#up) this.#giveUp(cannotStart(unpack(error), 'Correct it'), unpack(error));
          return;
        }
        this.#refused = 0;
        this.#dismiss();
        if (!this.#up && this.up) {
          this.#up = true;
          this.#ready.resolve();
        }
        this.#handOut();
      },
      () => {},
    );
  }

  /** While others live, the loader goes on with them, and this is tried again: where workers come and go, when more are asked for. */
  #refuse(error: WorkerError): void {
    const alone = ![...this.#threads].some(({ ready }) => ready);
    this.#refused++;
    const left = this.#staying().length;
    if (this.#up && this.#comeAndGo && left > 0) {
      this.#size = left;
      if (this.#refused === 1) process.emitWarning(`There are no more than ${this.#size} workers: ${error.what}.`, 'VoxfeedWarning');
      return;
    }
    if (!this.#up || (alone && this.#refused >= TRIES)) {
      this.#giveUp(error, error);
      return;
    }
    if (this.#refused === 1) process.emitWarning(`A worker died and ${error.what}. ${error.action}.`, 'VoxfeedWarning');
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#fill(), RETRY_MS);
    if (!alone) this.#retry.unref();
  }

  #replace(thread: WorkerThread<PatchTask | null>, cause: Error): void {
    this.#threads.delete(thread);
    this.#leaving.delete(thread);
    if (cause instanceof Dismissal || this.#closed !== null) return;
    const refusal = noThreads(cause);
    if (refusal instanceof WorkerError) {
      this.#refuse(refusal);
      return;
    }
    const short = this.#up ? null : shortOfAddresses(cause);
    if (short !== null) {
      this.#giveUp(cannotStart(cause, short.action), cause);
      return;
    }
    const verdict = cause instanceof LoadError && !this.#up ? cannotStart(cause, REINSTALL) : this.#toll.died(cause, this.#up);
    if (verdict === null) this.#fill();
    else this.#giveUp(verdict, cause);
  }

  #giveUp(reason: WorkerError, cause: Error): void {
    if (this.#hopeless !== null) return;
    reason.cause ??= cause;
    this.#hopeless = reason;
    this.#ready.reject(reason);
    // Whatever is under way or queued rejects with that.
    void this.close();
  }

  /** Ends every worker; resolves when their threads are gone or are known to hang in a system call, and says whether all are gone. */
  close(): Promise<boolean> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<boolean> {
    const reason = this.#hopeless ?? new Error('the pool was closed');
    clearTimeout(this.#retry);
    this.#watchdog.end();
    this.#ready.reject(reason);
    for (const { reject } of this.#queue.splice(0)) reject(reason);
    const gone = await Promise.all([...this.#threads].map((thread) => thread.end(reason)));
    return gone.every(Boolean);
  }
}

function cannotStart({ message }: Error, action: string): WorkerError {
  return new WorkerError('workers', `a worker thread cannot start (${message})`, action);
}
