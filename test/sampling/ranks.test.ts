import { describe, expect, it } from 'vitest';
import { OptionError } from '../../src/common/errors.ts';
import { roundHalfEven } from '../../src/common/round.ts';
import { isForced } from '../../src/sampling/oversampling.ts';
import { type RankOptions, resolveRanks, slotsOf } from '../../src/sampling/ranks.ts';

/** nnU-Net's formula, sample by sample (docs/nnunet.md#ranks): each rank's samples, and which of them are forced. */
function reference(batch: number, world: number, fraction: number): { counts: number[]; forced: boolean[] } {
  const q = Math.floor(batch / world);
  const counts = Array.from({ length: world }, (_, i) => (q * world + i < batch ? q + 1 : q));
  const flags = Array.from({ length: batch }, (_, i) => i >= roundHalfEven(batch * (1 - fraction)));
  const forced = counts.flatMap((count, rank) => {
    const first = counts.slice(0, rank).reduce((a, b) => a + b, 0);
    const end = first + count;
    const inside = flags.slice(first, end).filter(Boolean).length / count;
    const own = end / batch < 1 - fraction ? 0 : first / batch > 1 - fraction ? 1 : inside;
    return Array.from({ length: count }, (_, i) => i >= roundHalfEven(count * (1 - own)));
  });
  return { counts, forced };
}

describe('the split of a batch among ranks', () => {
  it("is nnU-Net's, and so are the forced samples of each, for sizes and fractions of all kinds", () => {
    for (let batch = 2; batch <= 60; batch++)
      for (let world = 2; world <= Math.min(batch, 16); world++)
        for (const fraction of [0, 0.05, 0.1, 0.25, 0.33, 0.5, 0.75, 1]) {
          const { counts, forced } = reference(batch, world, fraction);
          const shares = counts.map((_, rank) => slotsOf(batch, world, rank));
          expect(shares.map(({ count }) => count)).toEqual(counts);
          const samples = shares.flatMap(({ first, count }) => Array.from({ length: count }, (_, i) => first + i));
          const actual = samples.map((sample) => isForced({ fraction, probabilistic: false }, 0, sample, batch));
          expect(actual, `${batch} by ${world}, ${fraction}`).toEqual(forced);
        }
  });

  it.each<[string, RankOptions, RegExp]>([
    ['a rank beyond the world', { rank: 2, worldSize: 2 }, /rank: 2 is no rank among 2 processes/],
    ['a rank below 0', { rank: -1, worldSize: 2 }, /rank: -1 is no rank/],
    ['a rank that is no number', { rank: '1' as never, worldSize: 2 }, /rank: "1" is no rank/],
    ['a rank of nothing', { rank: 1 }, /rank: 1 is one of how many/],
    ['a world without a rank', { worldSize: 4 }, /which of the 4 processes/],
    ['a world of 0', { rank: 0, worldSize: 0 }, /worldSize: 0 is not a number of processes/],
    ['more processes than samples', { rank: 0, worldSize: 7 }, /a batch of 6 cannot be split among 7 processes/],
    ['a source besides a rank', { ranks: 'environment', rank: 0 }, /contradicts `rank`/],
  ])('refuses %s', (_, options, message) => {
    expect(() => resolveRanks(options, 6, { RANK: '0', WORLD_SIZE: '2' })).toThrow(OptionError);
    expect(() => resolveRanks(options, 6, { RANK: '0', WORLD_SIZE: '2' })).toThrow(message);
  });

  it('is read from the environment when asked', () => {
    expect(resolveRanks({ ranks: 'environment' }, 5, { RANK: '1', WORLD_SIZE: '2' })).toEqual({
      rank: 1,
      worldSize: 2,
      first: 3,
      count: 2,
    });
    expect(resolveRanks({}, 5, { RANK: '1', WORLD_SIZE: '2' })).toEqual({ rank: 0, worldSize: 1, first: 0, count: 5 });
    const refused = (environment: Record<string, string>, more: RankOptions = {}) =>
      expect(() => resolveRanks({ ranks: 'environment', ...more }, 5, environment));
    refused({ WORLD_SIZE: '2' }).toThrow(/RANK is not set/);
    refused({ RANK: '0' }).toThrow(/WORLD_SIZE is not set/);
    refused({ RANK: '0', WORLD_SIZE: 'two' }).toThrow(/WORLD_SIZE is "two"/);
    refused({ RANK: '2', WORLD_SIZE: '2' }).toThrow(/2 is no rank among 2/);
    refused({ RANK: '0', WORLD_SIZE: '2' }, { worldSize: 4 }).toThrow(/4 contradicts WORLD_SIZE, which is 2/);
  });
});
