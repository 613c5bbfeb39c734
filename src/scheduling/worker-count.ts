/** What became of the workers since the last look. */
export interface Look {
  /** How long ago that was, in milliseconds. */
  passedMs: number;
  /** Workers there are to be, and whether all of them are up. */
  workers: number;
  up: boolean;
  /** Milliseconds in which somebody waited for a batch. */
  waitMs: number;
  /** What the samples that were handed out since took workers, in milliseconds; others may be made ahead. */
  workMs: number;
  /** Whether each worker has something to do. */
  loaded: boolean;
  /** Cores that nobody uses. */
  freeCores: number;
}

/** The part of the time that is worth another worker, and the part that is no waiting: to ask takes time, too. */
const WAITING = 0.02;
const NO_WAITING = 0.01;
/** A worker takes a core: there must be as much of one, or it takes it from the consumer. */
const FREE_CORE = 0.7;
/** Those that stay may be busy for so much of their time. */
const ROOM = 0.75;
/** So many looks without waiting, one after the other, spare a worker. Where that was a mistake, twice as many the next time. */
const PATIENCE = 20;
const MOST_PATIENCE = 1280;

/**
 * How many workers there should be, from look to look: more while somebody waits, all workers have something to do and cores idle; one less
 * where nobody has waited for long and the others have room for its work.
 */
export class WorkerCount {
  readonly #most: number;
  #patience = PATIENCE;
  /** Looks in a row without waiting, and what was handed out in them. */
  #calm = { looks: 0, ms: 0, workMs: 0 };
  /** Looks since one was spared. */
  #sinceSpared = Number.POSITIVE_INFINITY;

  constructor(most: number) {
    this.#most = most;
  }

  next(look: Look): number {
    const { workers } = look;
    this.#sinceSpared++;
    const waiting = look.waitMs / look.passedMs;
    if (waiting >= NO_WAITING) this.#calm = { looks: 0, ms: 0, workMs: 0 };
    else return this.#spare(look);
    // Until those that were asked for are there, nobody knows whether they are enough.
    if (waiting < WAITING || !look.up || !look.loaded || look.freeCores < FREE_CORE || workers >= this.#most) return workers;
    if (this.#sinceSpared < 2 * this.#patience) this.#patience = Math.min(2 * this.#patience, MOST_PATIENCE);
    const more = Math.max(1, Math.min(workers, Math.floor(look.freeCores)));
    return Math.min(this.#most, workers + more);
  }

  #spare({ workers, passedMs, workMs }: Look): number {
    const calm = this.#calm;
    calm.looks++;
    calm.ms += passedMs;
    calm.workMs += workMs;
    if (calm.looks < this.#patience) return workers;
    const isEnough = workers > 1 && calm.workMs <= ROOM * calm.ms * (workers - 1);
    this.#calm = { looks: 0, ms: 0, workMs: 0 };
    if (!isEnough) return workers;
    this.#sinceSpared = 0;
    return workers - 1;
  }
}
