import type { Draws } from '../common/random.ts';

/** Draws positions by weight: of equal weights the same as `below(count)`, and a weight of 0 is as if the position were not there. */
export class WeightedChoice {
  /** Sums of the weights up to each position. */
  readonly #sums: Float64Array;
  readonly #last: number;

  /** @param weights none negative, some above 0 */
  constructor(weights: readonly number[]) {
    let sum = 0;
    this.#sums = Float64Array.from(weights, (weight) => {
      sum += weight;
      return sum;
    });
    this.#last = weights.findLastIndex((weight) => weight > 0);
  }

  /** The first position whose sum is above a uniform part of all. */
  draw(draws: Draws): number {
    const sums = this.#sums;
    const wanted = draws.uniform() * sums[sums.length - 1];
    let low = 0;
    // Rounding may carry the part to the sum itself.
    let high = this.#last;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle] > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
