import { Draws, PURPOSE } from '../common/random.ts';
import type { WeightedChoice } from './weighted-choice.ts';

/** A class that a part of all slots is forced onto. */
export interface ForcedPart {
  classNumber: number;
  /** Of all slots, 0 to 1. */
  part: number;
  /** The cases that hold it, by their weights. */
  cases: WeightedChoice;
}

/** 2^32 divided by the golden ratio: of all steps, this one spreads any number of consecutive points most evenly over a circle. */
const STEP = 0x9e3779b9;
const CIRCLE = 2 ** 32;

/**
 * Decides which slots of the stream are forced onto which class, without chance and at once for any slot: the golden-ratio sequence
 * goes around a circle on which each class has an arc as long as its part. Every run of consecutive slots, and every slot position of
 * consecutive batches, has each class as often as its part says, give or take four.
 */
export class Forcing {
  readonly #parts: readonly (ForcedPart & { end: number })[];
  readonly #start: number;

  constructor(seed: number, parts: readonly ForcedPart[]) {
    let sum = 0;
    this.#parts = parts.map((entry) => {
      sum += entry.part;
      return { ...entry, end: Math.round(CIRCLE * sum) };
    });
    // These draws are free where this decides instead of probabilistic oversampling.
    this.#start = new Draws(seed, 0, PURPOSE.oversampling).below(CIRCLE);
  }

  /** null: the slot is not forced. */
  classOf(sample: number): number | null {
    // Whole numbers modulo 2^32: exact however far into the stream.
    const at = (this.#start + Math.imul(sample >>> 0, STEP)) >>> 0;
    return this.#parts.find(({ end }) => at < end)?.classNumber ?? null;
  }

  casesWith(classNumber: number): WeightedChoice {
    const { cases } = this.#parts.find((entry) => entry.classNumber === classNumber) as ForcedPart;
    return cases;
  }
}
