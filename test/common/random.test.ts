import { describe, expect, it } from 'vitest';
import { Draws, PURPOSE, philox, streamSeed } from '../../src/common/random.ts';

const words = (...counterAndKey: [number, number, number, number, number, number]): string[] => {
  const out = new Uint32Array(4);
  philox(...counterAndKey, out);
  return [...out].map((word) => word.toString(16).padStart(8, '0'));
};

describe('Philox 4x32-10', () => {
  it('gives the published numbers (kat_vectors of Random123)', () => {
    expect(words(0, 0, 0, 0, 0, 0)).toEqual(['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']);
    const ones = 0xffffffff;
    expect(words(ones, ones, ones, ones, ones, ones)).toEqual(['408f276d', '41c83b0e', 'a20bc7c6', '6d5451fd']);
    expect(words(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0)).toEqual([
      'd16cfe09',
      '94fdcceb',
      '5001e420',
      '24126ea1',
    ]);
  });
});

describe('draws', () => {
  it('are the same whenever and in whatever order they are made', () => {
    const of = (sample: number): number[] => {
      const draws = new Draws(7, sample, PURPOSE.box);
      return [draws.uniform(), draws.uniform(), draws.uniform()];
    };
    const forwards = [0, 1, 2, 3].map(of);
    expect([3, 2, 1, 0].map(of).reverse()).toEqual(forwards);
  });

  it('differ between seeds, samples and purposes, beyond 32 bits too', () => {
    const first = (seed: number, sample: number, purpose: 0 | 1 | 2 | 3 | 4): number => new Draws(seed, sample, purpose).uniform();
    const all = [first(1, 1, 0), first(2, 1, 0), first(1, 2, 0), first(1, 1, 1), first(1 + 2 ** 32, 1, 0), first(1, 1 + 2 ** 32, 0)];
    expect(new Set(all).size).toBe(all.length);
  });

  it('are uniform (chi-square over 256 bins) and lie in [0, 1)', () => {
    const draws = new Draws(99, 5, PURPOSE.voxel);
    const bins = new Uint32Array(256);
    const total = 256_000;
    for (let i = 0; i < total; i++) {
      const value = draws.uniform();
      if (value < 0 || value >= 1) expect.fail(`${value} is outside`);
      bins[Math.floor(value * 256)]++;
    }
    const expected = total / 256;
    const statistic = bins.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // 255 degrees of freedom: mean 255, standard deviation 22.6.
    expect(statistic).toBeGreaterThan(255 - 5 * 22.6);
    expect(statistic).toBeLessThan(255 + 5 * 22.6);
  });

  it('of neighbouring samples are not correlated', () => {
    const n = 20_000;
    let product = 0;
    for (let sample = 0; sample < n; sample++) {
      product += (new Draws(3, sample, PURPOSE.case).uniform() - 0.5) * (new Draws(3, sample + 1, PURPOSE.case).uniform() - 0.5);
    }
    // Each product has variance 1/144.
    expect(Math.abs(product / n)).toBeLessThan(5 / 12 / Math.sqrt(n));
  });

  it('between two integers reach both and nothing else', () => {
    const draws = new Draws(1, 1, PURPOSE.box);
    const seen = new Set(Array.from({ length: 1000 }, () => draws.between(-2, 3)));
    expect([...seen].sort((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2, 3]);
  });
});

describe('the seeds of streams', () => {
  it("are the run's own for the first, and others, whole and in range, for every other", () => {
    for (const seed of [0, 7, 2 ** 32 + 7, Number.MAX_SAFE_INTEGER]) {
      const seeds = Array.from({ length: 128 }, (_, stream) => streamSeed(seed, stream));
      expect(seeds[0]).toBe(seed);
      expect(new Set(seeds).size).toBe(128);
      expect(seeds.every((value) => Number.isSafeInteger(value) && value >= 0)).toBe(true);
    }
    expect(streamSeed(7, 1)).not.toBe(streamSeed(2 ** 32 + 7, 1));
    // Part of every stream: it must never change.
    expect(streamSeed(7, 1)).toBe(7099587965904786);
  });
});
