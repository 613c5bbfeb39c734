/**
 * NumPy's legacy generator (`np.random.RandomState(seed)`): MT19937 with masked rejection. nnU-Net fixes the voxels it stores
 * per class, its intensity samples and its splits with it, so the same numbers are needed to get the same stores.
 * The stream of batches never uses it.
 */
export class NumpyRandom {
  readonly #state: Uint32Array;
  #position = SIZE;

  constructor(seed: number) {
    this.#state = seededState(seed);
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

const SIZE = 624;
const LAG = 397;

/** The words of a generator that nothing was drawn of. */
export function seededState(seed: number): Uint32Array {
  const state = new Uint32Array(SIZE);
  state[0] = seed;
  for (let i = 1; i < SIZE; i++) {
    const previous = state[i - 1] ^ (state[i - 1] >>> 30);
    state[i] = Math.imul(1812433253, previous) + i;
  }
  return state;
}

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
