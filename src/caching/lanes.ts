/** Lets so many jobs run at once. Those that somebody waits for go first; within each kind, those that came first. */
export class Lanes {
  readonly #awaited: (() => void)[] = [];
  readonly #others: (() => void)[] = [];
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  async run<T>(job: () => Promise<T>, isAwaited: boolean): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((start) => (isAwaited ? this.#awaited : this.#others).push(start));
    try {
      return await job();
    } finally {
      // The lane goes to the next.
      const next = this.#awaited.shift() ?? this.#others.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
