/** Samples that are looked ahead at, whatever they need. */
const MOST_SAMPLES = 2048;

/** What is known of a stream before its batches are planned. */
export interface Ahead {
  /** The cases of a batch. */
  casesOf(batch: number): readonly number[];
  /** How many cases the stream draws from. */
  caseCount: number;
  /** What copying a case takes. */
  bytesOf(caseNumber: number): number;
  /** Told of each case that a batch ahead needs. */
  bring(caseNumber: number): void;
}

/**
 * Sees to it that cases are there before their batch is: which a batch needs is known of any batch at any time. It goes ahead of the batch
 * that is planned now, never back, as far as the cases of the batches between take no more than so many bytes: else the first would have
 * left before their turn came.
 */
export class Prefetcher {
  readonly #ahead: Ahead;
  readonly #bytes: number;
  /** The last batch that needs each case, of those looked at. */
  readonly #window = new Map<number, number>();
  #windowBytes = 0;
  #next = 0;

  constructor(ahead: Ahead, bytes: number) {
    this.#ahead = ahead;
    this.#bytes = bytes;
  }

  /** Goes on from a batch that is about to be planned. */
  follow(batch: number): void {
    const { casesOf, caseCount, bytesOf, bring } = this.#ahead;
    for (const [caseNumber, last] of this.#window) if (last < batch) this.#leave(caseNumber);
    this.#next = Math.max(this.#next, batch + 1);
    for (; this.#window.size < caseCount; this.#next++) {
      const cases = casesOf(this.#next);
      if ((this.#next - batch) * cases.length > MOST_SAMPLES) return;
      const fresh = [...new Set(cases)].filter((caseNumber) => !this.#window.has(caseNumber));
      const bytes = fresh.reduce((sum, caseNumber) => sum + bytesOf(caseNumber), 0);
      if (this.#windowBytes + bytes > this.#bytes) return;
      this.#windowBytes += bytes;
      for (const caseNumber of cases) this.#window.set(caseNumber, this.#next);
      for (const caseNumber of fresh) bring(caseNumber);
    }
  }

  #leave(caseNumber: number): void {
    this.#window.delete(caseNumber);
    this.#windowBytes -= this.#ahead.bytesOf(caseNumber);
  }
}
