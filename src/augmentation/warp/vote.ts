import type { Corners } from './corners.ts';
import { TOLERANCE } from './exact-grid.ts';
import { addOf, type Roundings } from './roundings.ts';

/**
 * Decides between the labels around a place by their interpolated weights.
 *
 * In float64 the rules hold as they are meant, equal weights being those within `TOLERANCE`. In torch's arithmetic the greatest
 * weight is that of 1000 times each indicator, summed in float32 and rounded to float16: neighbouring numbers there are half a
 * thousandth apart around a half, so many near ties go to the lower label.
 */
export class Vote {
  readonly #labels: Int16Array;
  readonly #corners: Corners;
  readonly #exact: boolean;
  readonly #add: ReturnType<typeof addOf>;
  /** The labels around a place in ascending order, and the weight of each. */
  readonly #found = new Int16Array(8);
  readonly #weight = new Float64Array(8);
  #count = 0;
  /** Of the map that is sampled: its lowest label, and whether it has exactly two. */
  #lowest = 0;
  #two = false;

  constructor(labels: Int16Array, corners: Corners, roundings: Roundings) {
    this.#labels = labels;
    this.#corners = corners;
    this.#exact = roundings === null;
    this.#add = addOf(roundings);
  }

  /** Takes the set of labels from one map: the voxels from `start` to before `end`. */
  open(start: number, end: number): void {
    const labels = this.#labels;
    const set = new Set<number>();
    for (let i = start; i < end; i++) if (i === start || labels[i] !== labels[i - 1]) set.add(labels[i]);
    this.#lowest = Math.min(...set);
    this.#two = set.size === 2;
  }

  /** The label of greatest weight, the lowest of several; where no neighbour is inside, the lowest of the map. */
  greatest(): number {
    if (this.#agree()) return this.#labels[this.#corners.index[0]];
    this.#weigh(1000);
    let winner = this.#lowest;
    let best = 0;
    if (this.#exact) {
      for (let i = 0; i < this.#count; i++) best = Math.max(best, this.#weight[i]);
      const enough = best - TOLERANCE * 1000;
      if (enough <= 0) return winner;
      for (let i = 0; i < this.#count; i++) if (this.#weight[i] >= enough) return this.#found[i];
    }
    for (let i = 0; i < this.#count; i++) {
      const weight = Math.f16round(this.#weight[i]);
      if (weight <= best) continue;
      best = weight;
      winner = this.#found[i];
    }
    return winner;
  }

  /** The highest label with at least half of the weight, else 0; of two labels the lower one unless the higher has half. */
  half(): number {
    if (this.#agree()) return this.#labels[this.#corners.index[0]];
    this.#weigh(1);
    const enough = this.#exact ? 0.5 - TOLERANCE : 0.5;
    for (let i = this.#count - 1; i >= 0; i--) if (this.#weight[i] >= enough) return this.#found[i];
    return this.#two ? this.#lowest : 0;
  }

  /** Whether every neighbour is inside and has the same label: most voxels, and nothing to decide. */
  #agree(): boolean {
    const { index, count, all } = this.#corners;
    if (count < all) return false;
    const label = this.#labels[index[0]];
    for (let i = 1; i < count; i++) if (this.#labels[index[i]] !== label) return false;
    return true;
  }

  /** Sums each label's weights times `scale`, in the order of the corners. */
  #weigh(scale: number): void {
    const { index, weight, count } = this.#corners;
    const found = this.#found;
    const sums = this.#weight;
    this.#count = 0;
    for (let i = 0; i < count; i++) {
      const label = this.#labels[index[i]];
      let at = 0;
      while (at < this.#count && found[at] < label) at++;
      if (at === this.#count || found[at] !== label) {
        found.copyWithin(at + 1, at, this.#count);
        sums.copyWithin(at + 1, at, this.#count++);
        found[at] = label;
        sums[at] = 0;
      }
      sums[at] = this.#add(sums[at], scale, weight[i]);
    }
  }
}
