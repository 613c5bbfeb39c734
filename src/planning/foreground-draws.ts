import { seededState } from '../common/numpy-random.ts';
import { Areas, kernelSpace } from '../kernels/kernel-space.ts';

/**
 * Draws of NumPy's `RandomState(seed).randint(0, below, …)`, counted: the same ones as those of `NumpyRandom.below`, call after call. A
 * data set takes a hundred million of them.
 */
export class ForegroundDraws {
  readonly #below: number;
  /** Between two calls: the kernels' memory is for everybody. */
  readonly #state: Uint32Array;
  /** What was drawn and not counted yet. */
  #left = new Int32Array(0);

  /** @param below up to 2^31 */
  constructor(seed: number, below: number) {
    this.#below = below;
    this.#state = seededState(seed);
  }

  /**
   * Draws `count` numbers. Each one raises an entry of `table` by 1: that of its place, or its own where there are no `places`.
   * @param places one a number
   */
  count(count: number, table: Uint32Array, places: Uint16Array | null = null): void {
    if (this.#below === 1) {
      // NumPy draws nothing where there is nothing to choose.
      table[places?.[0] ?? 0] += count;
      return;
    }
    const areas = new Areas();
    const [at, to] = [areas.take(4 * this.#state.length), areas.take(4 * (this.#state.length + 1))];
    const { kernels, buffer } = kernelSpace(areas.end);
    const state = new Uint32Array(buffer, at, this.#state.length);
    const drawn = new Int32Array(buffer, to, this.#state.length);
    state.set(this.#state);
    drawn.set(this.#left);
    for (let ready = this.#left.length, left = count; ; ready = kernels.drawBelow(at, this.#below - 1, to)) {
      const taken = Math.min(ready, left);
      if (places === null) for (let i = 0; i < taken; i++) table[drawn[i]]++;
      else for (let i = 0; i < taken; i++) table[places[drawn[i]]]++;
      left -= taken;
      if (left > 0) continue;
      this.#left = Int32Array.from(drawn.subarray(taken, ready));
      this.#state.set(state);
      return;
    }
  }
}
