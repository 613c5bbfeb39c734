/** Ranks a middle block and a large block of the counts have: 2^6 and 2^12. */
const MIDDLE = 6;
const LARGE = 12;

/** Words of counts for so many ranks. */
export function countWords(ranks: number): number {
  return ranks + blocks(ranks, MIDDLE) + blocks(ranks, LARGE);
}

function blocks(ranks: number, bits: number): number {
  return Math.ceil(ranks / 2 ** bits);
}

/**
 * The rank in the middle of a window of ranks that come and go (Huang, Yang, Tang: "A fast two-dimensional median filtering
 * algorithm", 1979; with counts of three sizes, since there are as many ranks as different values).
 */
export class SlidingMedian {
  readonly #counts: Uint16Array;
  readonly #middle: Uint16Array;
  readonly #large: Uint16Array;
  #block = 0;
  /** Ranks in the window that lie in large blocks below the current one. */
  #below = 0;

  /** `counts` has `countWords(ranks)` elements; a window may hold 65535 ranks. */
  constructor(counts: Uint16Array, ranks: number) {
    counts.fill(0);
    const middles = blocks(ranks, MIDDLE);
    this.#counts = counts.subarray(0, ranks);
    this.#middle = counts.subarray(ranks, ranks + middles);
    this.#large = counts.subarray(ranks + middles);
  }

  add(rank: number): void {
    this.#counts[rank]++;
    this.#middle[rank >>> MIDDLE]++;
    const block = rank >>> LARGE;
    this.#large[block]++;
    if (block < this.#block) this.#below++;
  }

  remove(rank: number): void {
    this.#counts[rank]--;
    this.#middle[rank >>> MIDDLE]--;
    const block = rank >>> LARGE;
    this.#large[block]--;
    if (block < this.#block) this.#below--;
  }

  /** The rank that has `position` others before it in the window, in order. The window must hold more than that. */
  at(position: number): number {
    const large = this.#large;
    const middle = this.#middle;
    const counts = this.#counts;
    let block = this.#block;
    let below = this.#below;
    while (below > position) below -= large[--block];
    while (below + large[block] <= position) below += large[block++];
    this.#block = block;
    this.#below = below;
    let part = block << (LARGE - MIDDLE);
    while (below + middle[part] <= position) below += middle[part++];
    let rank = part << MIDDLE;
    while (below + counts[rank] <= position) below += counts[rank++];
    return rank;
  }
}
