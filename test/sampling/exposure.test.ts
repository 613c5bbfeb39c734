import { describe, expect, it } from 'vitest';
import { OptionError } from '../../src/common/errors.ts';
import { Draws } from '../../src/common/random.ts';
import { forcedParts } from '../../src/sampling/exposure.ts';
import { Forcing } from '../../src/sampling/forcing.ts';
import { WeightedChoice } from '../../src/sampling/weighted-choice.ts';

const cases = new WeightedChoice([1]);
const part = (classNumber: number, part: number) => ({ classNumber, part, cases });

describe('forcing', () => {
  it.each([[[0.394]], [[0.5]], [[1 / 3, 0.1]], [[0.05, 0.45, 0.25]], [[0.999]], [[0.003, 0.003]]])(
    'meets the parts %j in every window of the stream, also far along it',
    (parts) => {
      for (const [seed, first] of [
        [1, 0],
        [2, 77],
        [3, Number.MAX_SAFE_INTEGER - 200_000],
      ]) {
        // biome-ignore format: pairs
        const forcing = new Forcing(seed, parts.map((value, i) => part(i, value)));
        const classOf = Array.from({ length: 20_000 }, (_, i) => forcing.classOf(first + i));
        for (const [number, wanted] of parts.entries()) {
          const sums = [0];
          for (const onto of classOf) sums.push(sums[sums.length - 1] + (onto === number ? 1 : 0));
          for (const window of [9, 100, 900, 9000])
            for (let from = 0; from + window < sums.length; from += 13)
              expect(Math.abs(sums[from + window] - sums[from] - wanted * window)).toBeLessThan(4);
        }
      }
    },
  );

  it('spreads over the slots of batches and the ranks', () => {
    const forcing = new Forcing(4, [part(0, 0.5)]);
    for (const size of [2, 3, 8, 9, 40])
      for (let slot = 0; slot < size; slot++) {
        const forced = Array.from({ length: 1000 }, (_, batch) => forcing.classOf(batch * size + slot)).filter((onto) => onto !== null);
        expect(Math.abs(forced.length - 500), `slot ${slot} of ${size}`).toBeLessThan(25);
      }
  });

  it('differs from seed to seed', () => {
    const row = (seed: number) => Array.from({ length: 40 }, (_, sample) => new Forcing(seed, [part(0, 0.4)]).classOf(sample)).join();
    expect(new Set([1, 2, 3, 4].map(row)).size).toBeGreaterThan(1);
  });

  it('draws among the cases of the class', () => {
    const forcing = new Forcing(4, [{ ...part(0, 0.2), cases: new WeightedChoice([0, 1, 0, 0]) }, part(1, 0.2)]);
    expect(forcing.casesWith(0).draw(new Draws(1, 1, 0))).toBe(1);
  });
});

describe('the parts that are forced', () => {
  /** What comes about. */
  const exposure = (parts: number[], random: number[], forced: number[][]): number[] =>
    random.map((seen, c) => parts.reduce((sum, f, d) => sum + f * (forced[d][c] - seen), seen));

  it('make up for what random patches show', () => {
    expect(forcedParts(['tumour'], [0.4], { random: [0.01], forced: [[1]] })[0]).toBeCloseTo(0.39 / 0.99, 12);
    expect(forcedParts(['tumour'], [0.4], { random: [0.4], forced: [[1]] })).toEqual([0]);
    expect(forcedParts(['tumour'], [1], { random: [0.2], forced: [[1]] })[0]).toBeCloseTo(1, 12);
  });

  it('count what patches show that are forced onto another class', () => {
    for (const [targets, random, forced] of [
      [
        [0.6, 0.3],
        [0.4, 0.05],
        [
          [1, 0.1],
          [0.9, 1],
        ],
      ],
      [
        [0.3, 0.3, 0.3],
        [0.1, 0.2, 0.05],
        [
          [1, 0.3, 0],
          [0.2, 1, 0.1],
          [0.1, 0, 0.95],
        ],
      ],
    ] as [number[], number[], number[][]][]) {
      // biome-ignore format: matrices
      const parts = forcedParts(targets.map(String), targets, { random, forced });
      for (const [c, seen] of exposure(parts, random, forced).entries()) expect(seen).toBeCloseTo(targets[c], 10);
    }
  });

  it.each<[string, number[], number[], number[][], RegExp]>([
    [
      'more than all patches',
      [0.9, 0.9],
      [0.1, 0.1],
      [
        [1, 0],
        [0, 1],
      ],
      /takes more than all patches: .* forced onto a, .* together 2\d\d\.\d %/,
    ],
    ['less than random patches show', [0.2], [0.5], [[1]], /20\.0 % of a is too little: random patches hold it in 50\.0 %/],
    [
      'less than other targets bring',
      [0.45, 0.8],
      [0.4, 0.1],
      [
        [1, 0.1],
        [0.9, 1],
      ],
      /45\.0 % of a is too little beside the other targets: .*those forced onto b in 90\.0 %/,
    ],
    [
      'what cannot be told apart',
      [0.3, 0.6],
      [0.1, 0.1],
      [
        [1, 1],
        [1, 1],
      ],
      /cannot be told apart/,
    ],
  ])('are refused where they are %s', (_, targets, random, forced, message) => {
    // biome-ignore format: one line a case
    const solving = () => forcedParts(['a', 'b'].slice(0, targets.length), targets, { random, forced });
    expect(solving).toThrow(OptionError);
    expect(solving).toThrow(message);
  });
});
