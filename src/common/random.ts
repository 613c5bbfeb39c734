/**
 * Counter-based randomness: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 *
 * Every draw is a pure function of (seed, sample index, purpose, position), so any worker can make any sample again, in any
 * order, and a new draw in one purpose never shifts the draws of another. The function uses only 32-bit integer operations:
 * the kernels can compute the same numbers.
 */

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const ROUNDS = 10;

/** High 32 bits of the 64-bit product of two unsigned 32-bit integers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  return aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000);
}

/**
 * One Philox 4x32-10 block: four 32-bit words from a 128-bit counter and a 64-bit key, written to `out` (length 4).
 * Test vectors: `kat_vectors` of the Random123 library.
 */
export function philox(c0: number, c1: number, c2: number, c3: number, k0: number, k1: number, out: Uint32Array): void {
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0 >>> 0);
    const low0 = Math.imul(MULTIPLIER_0, c0);
    const high1 = multiplyHigh(MULTIPLIER_1, c2 >>> 0);
    const low1 = Math.imul(MULTIPLIER_1, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + WEYL_0) | 0;
    k1 = (k1 + WEYL_1) | 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** What a draw is for. Each purpose has a counter of its own; numbers are part of the stream and never reused. */
export const PURPOSE = { case: 0, oversampling: 1, class: 2, voxel: 3, box: 4 } as const;

export type Purpose = (typeof PURPOSE)[keyof typeof PURPOSE];

/** Purposes from here on belong to augmentation: one for each transform, and as many again for each time it is met again. */
export const AUGMENTATION_PURPOSES = 64;

const block = new Uint32Array(4);

/** The draws of one purpose of one sample, in order. */
export class Draws {
  readonly #seedLow: number;
  readonly #seedHigh: number;
  readonly #sampleLow: number;
  readonly #sampleHigh: number;
  readonly #purpose: number;
  #position = 0;

  /** `seed` and `sample` are integers from 0 to 2^53 - 1. */
  constructor(seed: number, sample: number, purpose: number) {
    this.#seedLow = seed >>> 0;
    this.#seedHigh = Math.floor(seed / 2 ** 32) >>> 0;
    this.#sampleLow = sample >>> 0;
    this.#sampleHigh = Math.floor(sample / 2 ** 32) >>> 0;
    this.#purpose = purpose;
  }

  /** A double, uniform over the multiples of 2^-53 in [0, 1). */
  uniform(): number {
    // One block a draw keeps positions simple; the two spare words cost nothing that matters outside a kernel.
    philox(this.#sampleLow, this.#sampleHigh, this.#purpose, this.#position++, this.#seedLow, this.#seedHigh, block);
    return ((block[0] >>> 5) * 2 ** 26 + (block[1] >>> 6)) / 2 ** 53;
  }

  /** An integer, uniform over 0 … count - 1. The bias is below count / 2^53. */
  below(count: number): number {
    return Math.floor(this.uniform() * count);
  }

  /** An integer, uniform over low … high, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }
}

/** A counter that no draw uses: samples have fewer than 53 bits. */
const SEEDS = 0xffffffff;

/** The seed of another stream of the same run. Stream 0 has the run's own seed; others share no number with it or each other. */
export function streamSeed(seed: number, stream: number): number {
  if (stream === 0) return seed;
  const words = new Uint32Array(4);
  philox(stream, SEEDS, SEEDS, SEEDS, seed >>> 0, Math.floor(seed / 2 ** 32), words);
  return (words[0] >>> 11) * 2 ** 32 + words[1];
}
