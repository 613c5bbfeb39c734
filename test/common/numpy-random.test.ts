import { describe, expect, it } from 'vitest';
import { NumpyRandom } from '../../src/common/numpy-random.ts';

/** All numbers were drawn with NumPy from `np.random.RandomState(1234)`. */
describe('the generator of NumPy', () => {
  it('permutes 20000 alike', () => {
    expect([...new NumpyRandom(1234).permutation(20000).subarray(0, 5)]).toEqual([18172, 16075, 15388, 13842, 8610]);
  });

  it('draws integers alike', () => {
    const random = new NumpyRandom(1234);
    expect(Array.from({ length: 6 }, () => random.below(1000))).toEqual([815, 723, 294, 53, 204, 372]);
  });

  it('goes on alike after each draw', () => {
    const random = new NumpyRandom(1234);
    expect([...random.permutation(7)]).toEqual([2, 1, 6, 0, 4, 5, 3]);
    expect([...random.permutation(5)]).toEqual([2, 0, 4, 3, 1]);
    expect(Array.from({ length: 5 }, () => random.below(10))).toEqual([6, 8, 0, 5, 0]);
  });

  it('draws nothing where there is nothing to choose', () => {
    const random = new NumpyRandom(1234);
    expect(random.below(1)).toBe(0);
    expect([...random.permutation(0)]).toEqual([]);
    expect([...random.permutation(1)]).toEqual([0]);
    expect(random.below(1000)).toBe(815);
  });

  it('permutes every number exactly once, past the 624 numbers it makes at a time', () => {
    const order = new NumpyRandom(7).permutation(5000);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 5000 }, (_, i) => i));
  });

  it('stays below counts up to 2^32 and reaches their upper half', () => {
    const random = new NumpyRandom(1);
    for (const count of [2, 3, 1000, 2 ** 31, 2 ** 31 + 1, 2 ** 32]) {
      const drawn = Array.from({ length: 200 }, () => random.below(count));
      expect(drawn.every((value) => Number.isInteger(value) && value >= 0 && value < count)).toBe(true);
      expect(drawn.some((value) => value >= count / 2)).toBe(true);
    }
  });
});
