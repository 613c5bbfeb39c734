import { publish } from '../common/channels.ts';
import { WorkerError } from '../common/errors.ts';
import { Stall } from './watchdog.ts';

/** This many deaths in a row without one finished task mean that workers cannot live here. */
const HOPELESS = 50;
/** The same where none has ever come up. */
const HOPELESS_AT_START = 3;
/** So many deaths within a minute are worth a warning; so many a worker end the run, which would get nowhere. */
const WORRYING = 10;
const MOST_PER_WORKER = 120;
const MINUTE_MS = 60_000;

const CHECK = 'Check memory, the files of the store and modules of custom transforms';

/** Counts the deaths of workers, and says when there is no point in replacing them any more. */
export class DeathToll {
  total = 0;
  readonly #workers: number;
  readonly #now: () => number;
  #inARow = 0;
  #warned = false;
  /** When the deaths of the last minute were. */
  #recent: number[] = [];

  constructor(workers: number, now = () => performance.now()) {
    this.#workers = workers;
    this.#now = now;
  }

  taskDone(): void {
    this.#inARow = 0;
  }

  /**
   * Counts one. Returns why no other is to take its place; null if one is.
   * @param up whether workers have come up before
   */
  died(cause: Error, up: boolean): WorkerError | null {
    this.total++;
    this.#inARow++;
    const now = this.#now();
    this.#recent = [...this.#recent.filter((at) => now - at < MINUTE_MS), now];
    const reason = cause.message.replace(/\.$/, '') || 'no reason given';
    publish('voxfeed:death', () => ({ reason, deaths: this.total }));
    if (!up && cause instanceof Stall) return new WorkerError('workers', `a worker thread does not come up (${reason})`, CHECK);
    if (!up && this.#inARow >= HOPELESS_AT_START)
      return new WorkerError('workers', `worker threads died ${this.#inARow} times while they started (${reason})`, CHECK);
    if (this.#inARow > HOPELESS)
      return new WorkerError('workers', `worker threads died ${HOPELESS} times in a row without finishing a task (${reason})`, CHECK);
    const most = MOST_PER_WORKER * this.#workers;
    if (this.#recent.length > most)
      return new WorkerError('workers', `worker threads died more than ${most} times within a minute (the last time: ${reason})`, CHECK);
    if (this.#recent.length >= WORRYING && !this.#warned) {
      this.#warned = true;
      process.emitWarning(
        `Worker threads died ${WORRYING} times within a minute, the last time with: ${reason}. They are replaced and their samples made again; more than ${most} times a minute end the run.`,
        'VoxfeedWarning',
      );
    }
    return null;
  }
}
