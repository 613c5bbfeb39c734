import { describe, expect, it } from 'vitest';
import { Mix, type Weight } from '../../src/sampling/mix.ts';

const order = (mix: Mix, count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => mix.at(from + i).configuration);
const counts = (list: readonly number[], configurations: number): number[] =>
  Array.from({ length: configurations }, (_, i) => list.filter((configuration) => configuration === i).length);

describe('a mix', () => {
  it.each([[[3, 1]], [[1]], [[1, 1, 1]], [[5, 3, 2]], [[40, 7, 1]], [[2, 0, 1]]])(
    '%j has exact counts in any round, wherever it begins',
    (weights) => {
      const mix = new Mix(weights);
      const round = weights.reduce((a, b) => a + b, 0);
      for (const from of [0, 1, round - 1, 12_345]) expect(counts(order(mix, round, from), weights.length)).toEqual(weights);
    },
  );

  it('spreads them: rare configurations come at even distances', () => {
    expect(order(new Mix([3, 1]), 8)).toEqual([0, 0, 1, 0, 0, 0, 1, 0]);
    const rare = order(new Mix([40, 8]), 4800).flatMap((configuration, batch) => (configuration === 1 ? [batch] : []));
    expect(new Set(rare.slice(1).map((batch, i) => batch - rare[i]))).toEqual(new Set([6]));
  });

  it.each<[Weight[]]>([
    [[5, 3, 2]],
    [
      [
        3,
        [
          [0, 0],
          [7, 1],
          [100, 5],
        ],
      ],
    ],
    [
      [
        [
          [0, 2],
          [5, 0],
        ],
        [
          [0, 1],
          [1000, 3],
        ],
      ],
    ],
  ])('%j numbers the batches of each configuration without a gap', (weights) => {
    const mix = new Mix(weights);
    const next = weights.map(() => 0);
    for (let batch = 0; batch < 3000; batch++) {
      const { configuration, index } = mix.at(batch);
      expect(index).toBe(next[configuration]++);
    }
  });

  it('can change over training', () => {
    const mix = new Mix([
      1,
      [
        [0, 0],
        [10, 1],
        [20, 4],
      ],
    ]);
    expect(counts(order(mix, 10), 2)).toEqual([10, 0]);
    expect(counts(order(mix, 10, 10), 2)).toEqual([5, 5]);
    expect(counts(order(mix, 100, 20), 2)).toEqual([20, 80]);
  });

  it('looks up a batch far out at once', () => {
    expect(new Mix([3, 1]).at(4 * 10 ** 14 + 2)).toEqual({ configuration: 1, index: 10 ** 14 });
  });

  it.each<[Weight[], string, RegExp]>([
    [[1.5, 1], 'configs[0].weight', /1\.5 is no weight/],
    [[1, -1], 'configs[1].weight', /-1 is no weight/],
    [[Number.NaN], 'configs[0].weight', /is no weight/],
    [['3' as never], 'configs[0].weight', /"3" is no weight/],
    [[[]], 'configs[0].weight', /\[\] is no weight/],
    [[[[5, 1]]], 'configs[0].weight', /\[\[5,1\]\] is no weight/],
    [
      [
        [
          [0, 1],
          [0, 2],
        ],
      ],
      'configs[0].weight',
      /is no weight/,
    ],
    [[0, 0], 'configs', /the weights 0, 0 \(from batch 0 on\) add up to 0/],
    [
      [
        1,
        [
          [0, 1],
          [9, 10_000],
        ],
      ],
      'configs',
      /from batch 9 on\) add up to 10001/,
    ],
    [
      [
        [
          [0, 1],
          [7, 0],
        ],
      ],
      'configs',
      /from batch 7 on\) add up to 0/,
    ],
  ])('%j is refused', (weights, where, what) => {
    expect(() => new Mix(weights)).toThrow(expect.objectContaining({ name: 'OptionError', where, what: expect.stringMatching(what) }));
  });
});
