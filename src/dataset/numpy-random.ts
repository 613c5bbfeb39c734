/**
 * NumPy's legacy generator (`np.random.RandomState(seed)`): MT19937 with masked rejection. nnU-Net fixes the voxels it stores
 * per class, its intensity samples and its splits with it, so the same numbers are needed to get the same stores.
 * The stream of batches never uses it.
 */
export class NumpyRandom {
  readonly #state = new Uint32Array(624);
  #position = 624;

  constructor(seed: number) {
    this.#state[0] = seed;
    for (let i = 1; i < 624; i++) {
      const previous = this.#state[i - 1] ^ (this.#state[i - 1] >>> 30);
      this.#state[i] = Math.imul(1812433253, previous) + i;
    }
  }

  #next(): number {
    const state = this.#state;
    if (this.#position === 624) {
      for (let i = 0; i < 624; i++) {
        const y = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
        state[i] = state[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      this.#position = 0;
    }
    let y = state[this.#position++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return y >>> 0;
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
