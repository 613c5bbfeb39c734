/**
 * NumPy's legacy generator (`np.random.RandomState(seed)`): MT19937 with masked rejection. nnU-Net fixes the voxels it stores
 * per class, its intensity samples and its splits with it, so the same numbers are needed to get the same stores.
 * The stream of batches never uses it.
 */
export class NumpyRandom {
  readonly #state = new Uint32Array(SIZE);
  #position = SIZE;

  constructor(seed: number) {
    this.#state[0] = seed;
    for (let i = 1; i < SIZE; i++) {
      const previous = this.#state[i - 1] ^ (this.#state[i - 1] >>> 30);
      this.#state[i] = Math.imul(1812433253, previous) + i;
    }
  }

  #next(): number {
    if (this.#position === SIZE) {
      refill(this.#state);
      this.#position = 0;
    }
    return temper(this.#state[this.#position++]);
  }

  /** `randint(0, count)`: an integer from 0 to count - 1, for counts up to 2^32. */
  below(count: number): number {
    const max = count - 1;
    if (max === 0) return 0;
    const mask = 0xffffffff >>> Math.clz32(max);
    let value: number;
    do value = (this.#next() & mask) >>> 0;
    while (value > max);
    return value;
  }

  /** `randint(0, tally.length, draws)`, only that the numbers are counted: each one raises its entry of `tally` by 1. */
  tally(draws: number, tally: Uint32Array): void {
    const max = tally.length - 1;
    if (max <= 0) {
      tally[0] += draws;
      return;
    }
    // A data set takes a hundred million draws: hence `below` once more, with everything in local variables. Where `tally` is larger than
    // caches are, each draw would wait for main memory: there, draws are put aside by the part they belong to, and counted many at a time.
    const parts = tally.length > MOST_AT_HAND ? Math.ceil(tally.length / PART) : 0;
    const aside = new Uint16Array(parts * ASIDE);
    const used = new Uint16Array(parts);
    const mask = 0xffffffff >>> Math.clz32(max);
    const state = this.#state;
    for (let left = draws; left > 0; ) {
      if (this.#position === SIZE) {
        refill(state);
        this.#position = 0;
      }
      let position = this.#position;
      for (; position < SIZE && left > 0; position++) {
        const value = (temper(state[position]) & mask) >>> 0;
        if (value > max) continue;
        left--;
        if (parts === 0) {
          tally[value]++;
          continue;
        }
        const part = value >>> PART_BITS;
        aside[part * ASIDE + used[part]++] = value;
        if (used[part] === ASIDE) {
          countPart(aside, part, ASIDE, tally);
          used[part] = 0;
        }
      }
      this.#position = position;
    }
    for (let part = 0; part < parts; part++) countPart(aside, part, used[part], tally);
  }

  /** `permutation(count)`. */
  permutation(count: number): Uint32Array {
    const order = new Uint32Array(count);
    for (let i = 0; i < count; i++) order[i] = i;
    for (let i = count - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const swapped = order[i];
      order[i] = order[j];
      order[j] = swapped;
    }
    return order;
  }
}

/** Entries of a tally whose numbers differ in two bytes only. */
const PART_BITS = 16;
const PART = 2 ** PART_BITS;
/** Draws put aside for a part before they are counted. */
const ASIDE = 2 ** 14;
/** Entries of a tally that caches hold. */
const MOST_AT_HAND = 2 ** 18;

function countPart(aside: Uint16Array, part: number, count: number, tally: Uint32Array): void {
  const first = part * PART;
  for (let i = part * ASIDE, end = i + count; i < end; i++) tally[first + aside[i]]++;
}

const SIZE = 624;
const LAG = 397;

function refill(state: Uint32Array): void {
  let i = 0;
  for (; i < SIZE - LAG; i++) state[i] = state[i + LAG] ^ twist(state[i], state[i + 1]);
  for (; i < SIZE - 1; i++) state[i] = state[i + LAG - SIZE] ^ twist(state[i], state[i + 1]);
  state[i] = state[LAG - 1] ^ twist(state[i], state[0]);
}

function twist(high: number, low: number): number {
  const joined = (high & 0x80000000) | (low & 0x7fffffff);
  return (joined >>> 1) ^ (-(joined & 1) & 0x9908b0df);
}

function temper(word: number): number {
  let y = word ^ (word >>> 11);
  y ^= (y << 7) & 0x9d2c5680;
  y ^= (y << 15) & 0xefc60000;
  return (y ^ (y >>> 18)) >>> 0;
}
