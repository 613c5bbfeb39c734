import { shortOfAddresses } from '../common/addresses.ts';
import { machineMemory, showBytes } from '../common/bytes.ts';
import { CasesError, FileError, MemoryError, OptionError, unpack, VoxfeedError, WorkerError } from '../common/errors.ts';
import { keepReplacedStripper } from '../common/replaced-code.ts';
import { noThreads, workerFile } from '../common/worker-file.ts';
import { WorkerThread } from '../scheduling/worker-thread.ts';
import { caseBytes } from './case-memory.ts';
import type { CaseAnswer, CaseTask } from './case-task.ts';
import type { Keeping } from './kept-cases.ts';

/** A thread has two cases of no more bytes than this: while one waits for its files, the other is computed. Of larger ones, it has one. */
const SMALL = 64 * 1024 ** 2;
const SMALL_AT_ONCE = 2;

/** Worker threads that read and write cases, as many at once as fit into memory. */
export class CasePool implements AsyncDisposable {
  /** By number, started when it is needed first. */
  readonly #threads = new Map<number, WorkerThread<CaseTask>>();
  /** By number of the thread: bytes of the cases it has. */
  readonly #at: number[][];
  readonly #workers: number;
  readonly #budget: number;
  readonly #notes = new Set<string>();
  readonly #keeping: Keeping | undefined;
  #taken = 0;
  #waiting: (() => void)[] = [];

  /**
   * @param maxMemoryBytes cases that need more than this, together, wait for one another; default: half of the machine's
   * @param keeping where cases that were read for one task wait for the next
   */
  constructor(workers: number, maxMemoryBytes = Math.floor(machineMemory() / 2), keeping?: Keeping) {
    if (!(maxMemoryBytes > 0))
      throw new OptionError(
        'maxMemoryBytes',
        `${maxMemoryBytes} is not a number of bytes above 0`,
        'Give what all workers together may take',
      );
    this.#workers = workers;
    this.#at = Array.from({ length: workers }, () => []);
    this.#budget = maxMemoryBytes;
    this.#keeping = keeping;
  }

  /** What was odd about the files of the cases so far, each once, in the order of their names. */
  get notes(): string[] {
    return [...this.#notes].sort();
  }

  note(notes: readonly string[]): void {
    for (const note of notes) this.#notes.add(note);
  }

  /**
   * Runs all tasks; results in their order. Cases that cannot be used are gathered and reported together at the end, because a
   * user would rather mend ten files at once than one at a time; anything else (a full disk, a dead worker) stops the run.
   * @param where the data set, for the message about several bad cases
   * @throws CaseError, CasesError, MemoryError for a case that alone needs too much, FileError, WorkerError
   */
  async run<T>(where: string, tasks: readonly CaseTask[], onDone: (done: number) => void): Promise<T[]> {
    const results: T[] = [];
    const bad: VoxfeedError[] = [];
    let fatal: Error | null = null;
    let next = 0;
    let done = 0;
    const lanes = Math.min(SMALL_AT_ONCE * this.#workers, tasks.length);
    const sizes: Promise<number>[] = [];
    /** Looked up ahead: a case does not wait for its headers to be read. Whoever asks for its size hears what was wrong with them. */
    const sizeOf = (position: number): Promise<number> => {
      sizes[position] ??= caseBytes(tasks[position]);
      sizes[position].catch(() => {});
      return sizes[position];
    };
    const work = async (_: unknown, lane: number): Promise<void> => {
      while (next < tasks.length && fatal === null) {
        const position = next++;
        const task = tasks[position];
        try {
          const size = sizeOf(position);
          if (position + lanes < tasks.length) sizeOf(position + lanes);
          const answer = (await this.#runWithin(lane % this.#workers, task, await size)) as CaseAnswer<T>;
          this.note(answer.notes);
          if (answer.error) throw orAddresses(unpack(answer.error));
          results[position] = answer.result as T;
        } catch (error) {
          if (isOfCase(error, task)) bad.push(error);
          else fatal ??= error as Error;
        }
        onDone(++done);
      }
    };
    onDone(0);
    await Promise.all(Array.from({ length: lanes }, work));
    if (fatal) throw fatal;
    if (bad.length === 1) throw bad[0];
    if (bad.length > 1)
      throw new CasesError(
        where,
        bad.sort((a, b) => (a.where < b.where ? -1 : 1)),
      );
    return results;
  }

  async #runWithin(number: number, task: CaseTask, bytes: number): Promise<CaseAnswer<unknown>> {
    if (bytes > this.#budget) {
      throw new MemoryError(
        task.raw.images[0],
        `case ${task.raw.id} takes up to ${showBytes(bytes)}, ${showBytes(this.#budget)} may be taken`,
        'Allow more with `maxMemoryBytes`, or use a machine with more memory',
      );
    }
    const at = this.#at[number];
    const mustWait = (): boolean =>
      (this.#taken > 0 && this.#taken + bytes > this.#budget) || (at.length > 0 && Math.max(bytes, ...at) > SMALL);
    while (mustWait()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#taken += bytes;
    at.push(bytes);
    try {
      return await this.#thread(number).run({ ...task, keeping: this.#keeping });
    } catch (error) {
      const refusal = noThreads(error as Error);
      throw refusal instanceof WorkerError ? refusal : (shortOfAddresses(error) ?? died(task, error as Error));
    } finally {
      this.#taken -= bytes;
      at.splice(at.indexOf(bytes), 1);
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }

  /** Threads are started for tasks, and only then: ending them while they start is what Node does not like. */
  #thread(number: number): WorkerThread<CaseTask> {
    const running = this.#threads.get(number);
    if (running) return running;
    keepReplacedStripper();
    const thread = new WorkerThread<CaseTask>(workerFile('preprocess-worker'), null, SMALL_AT_ONCE, () => this.#threads.delete(number));
    this.#threads.set(number, thread);
    return thread;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#threads.values()].map((thread) => thread.end(new Error('the pool is closed'))));
  }
}

function orAddresses(error: Error): Error {
  return error instanceof VoxfeedError ? error : (shortOfAddresses(error) ?? error);
}

function died(task: CaseTask, error: Error): WorkerError {
  return new WorkerError(
    `case ${task.raw.id}`,
    `the worker died while it preprocessed this case (${error.message})`,
    'If memory ran out, use fewer workers; then run again: finished cases are kept',
    { cause: error },
  );
}

/** Whether another case may do better. Not where a disk is full, and a dead worker says nothing about a file. */
function isOfCase(error: unknown, { raw }: CaseTask): error is VoxfeedError {
  // Of errors that come from a thread, words are all there is.
  if (error instanceof FileError && /\((EMFILE|ENFILE|ENOMEM)\)$/.test(error.what)) return false;
  // What the machine lacks, it lacks for every case.
  if (error instanceof FileError || error instanceof MemoryError) return [...raw.images, raw.label].includes(error.where);
  return error instanceof VoxfeedError && !(error instanceof WorkerError);
}
