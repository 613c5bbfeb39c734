import { type Corners, TOLERANCE } from './corners.ts';
import { addOf, type Roundings } from './roundings.ts';

const { fround } = Math;

/** What a whole neighbourhood of one label scores. */
const WHOLE = 1000;

/**
 * Decides between the labels around a place: each scores the sum of its interpolation weights, and what lies outside the source is
 * voxels of the padding label. The greatest score wins. Between equal ones the nearest voxel's label does where it is one of them,
 * else the lowest.
 *
 * In float64 scores within `TOLERANCE` are equal. In torch's arithmetic they are those of batchgeneratorsv2 0.3.6: thousandths,
 * summed in float32 and rounded to float16, where neighbouring numbers around a half are a quarter of a thousandth apart or more,
 * so that near ties become ties; and of two labels the score of the higher one decides alone, against a half.
 */
export class Vote {
  readonly #labels: Int16Array;
  readonly #corners: Corners;
  readonly #exact: boolean;
  readonly #add: ReturnType<typeof addOf>;
  readonly #padding: number | null;
  /** The labels around a place in ascending order, and the score of each. */
  readonly #found = new Int16Array(9);
  readonly #score = new Float64Array(9);
  #count = 0;
  /** The higher label of a map that has two, in torch's arithmetic. */
  #higher: number | null = null;

  /** @param padding the label around the source, if one is ever found there. */
  constructor(labels: Int16Array, corners: Corners, roundings: Roundings, padding: number | null) {
    this.#labels = labels;
    this.#corners = corners;
    this.#exact = roundings === null;
    this.#add = addOf(roundings);
    this.#padding = padding;
  }

  /** Takes the set of labels from one map: the voxels from `start` to before `end`. */
  open(start: number, end: number): void {
    if (this.#exact) return;
    const labels = this.#labels;
    const set = new Set<number>(this.#padding === null ? [] : [this.#padding]);
    for (let i = start; i < end; i++) if (i === start || labels[i] !== labels[i - 1]) set.add(labels[i]);
    this.#higher = set.size === 2 ? Math.max(...set) : null;
  }

  /** The label at the place that the corners were found for; `nearest` gives that of the nearest voxel, where it is needed. */
  winner(nearest: () => number): number {
    if (this.#agree()) return this.#labels[this.#corners.index[0]];
    this.#weigh();
    if (!this.#exact) this.#round();
    const found = this.#found;
    const score = this.#score;
    let best = 0;
    for (let i = 0; i < this.#count; i++) best = Math.max(best, score[i]);
    const enough = this.#exact ? best - TOLERANCE * WHOLE : best;
    let lowest = 0;
    while (score[lowest] < enough) lowest++;
    let near: number | undefined;
    for (let i = lowest + 1; i < this.#count; i++) {
      if (score[i] < enough) continue;
      near ??= nearest();
      if (near === found[i]) return near;
    }
    return found[lowest];
  }

  /** Whether every neighbour is inside and has the same label: most voxels, and nothing to decide. */
  #agree(): boolean {
    const { index, count, all } = this.#corners;
    if (count < all) return false;
    const label = this.#labels[index[0]];
    for (let i = 1; i < count; i++) if (this.#labels[index[i]] !== label) return false;
    return true;
  }

  /** Sums each label's score in the order of the corners; padding has what the others leave of the whole. */
  #weigh(): void {
    const { index, weight, count } = this.#corners;
    this.#count = 0;
    let others = 0;
    for (let i = 0; i < count; i++) {
      const label = this.#labels[index[i]];
      if (label === this.#padding) continue;
      const at = this.#place(label);
      this.#score[at] = this.#add(this.#score[at], WHOLE, weight[i]);
      others = this.#add(others, WHOLE, weight[i]);
    }
    if (this.#padding !== null) this.#score[this.#place(this.#padding)] = WHOLE - others;
  }

  /** Where a label's score is; a new one is put in its place among the others with a score of 0. */
  #place(label: number): number {
    const found = this.#found;
    let at = 0;
    while (at < this.#count && found[at] < label) at++;
    if (at === this.#count || found[at] !== label) {
      found.copyWithin(at + 1, at, this.#count);
      this.#score.copyWithin(at + 1, at, this.#count++);
      found[at] = label;
      this.#score[at] = 0;
    }
    return at;
  }

  #round(): void {
    const score = this.#score;
    for (let i = 0; i < this.#count; i++) score[i] = Math.f16round(fround(score[i]));
    if (this.#higher === null) return;
    const higher = score[this.#place(this.#higher)];
    for (let i = 0; i < this.#count; i++) if (this.#found[i] !== this.#higher) score[i] = WHOLE - higher;
  }
}
