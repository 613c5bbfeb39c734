import { describe, expect, it } from 'vitest';
import { median } from '../../../src/augmentation/transforms/intensity/median/median.ts';
import { complete } from '../../fixtures/complete-step.ts';
import { expectClose } from '../../golden/golden.ts';
import { applyTo, contextOf, drawMany, indices, noise } from './apply-to.ts';
import { recorded } from './recorded.ts';

const step = { transform: 'median' } as const;

/** By sorting the voxels of each window. */
function reference(image: ArrayLike<number>, shape: readonly number[], size: number): number[] {
  const three = shape.length === 2 ? [1, ...shape] : shape;
  const offsets = indices(three.map((_, axis) => (shape.length === 2 && axis === 0 ? 1 : size)));
  const folded = (i: number, count: number): number => (i < 0 ? folded(-1 - i, count) : i >= count ? folded(2 * count - 1 - i, count) : i);
  return indices(three).map(([z, y, x]) => {
    const values = offsets.map(([i, j, k]) => {
      const half = Math.floor(size / 2);
      const plane = shape.length === 2 ? 0 : folded(z + i - half, three[0]);
      return image[(plane * three[1] + folded(y + j - half, three[1])) * three[2] + folded(x + k - half, three[2])];
    });
    return Float32Array.from(values).sort()[Math.floor(values.length / 2)];
  });
}

describe('median', () => {
  it.each(recorded('median'))('filters as scipy does: $shape $parameters', (record) => {
    // Which of two zeros of different signs scipy takes is left open.
    expectClose(applyTo(median, step, record.parameters, record).image, Float32Array.from(record.result), { kind: 'exact' });
  });

  it.each([[[1, 1, 1]], [[2, 1, 3]], [[17, 19, 2]], [[5, 33, 7]], [[1, 40]], [[35, 3]]])('of %j is the sorted window', (shape) => {
    const count = shape.reduce((a, b) => a * b);
    for (const size of [1, 2, 3, 6]) {
      const image = noise(count, size);
      expect([...applyTo(median, step, { sizes: [size] }, { shape, image }).image]).toEqual(reference(image, shape, size));
    }
  });

  it('tells apart values whose bits do not order as they do', () => {
    const image = [-1e-40, -0, 0, 1e-40, -3, 3, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, -1e30];
    expect([...applyTo(median, step, { sizes: [3] }, { shape: [3, 3], image }).image]).toEqual(reference(image, [3, 3], 3));
  });

  it('leaves constant images as they are, takes NaN for the highest value, and filters chosen channels only', () => {
    expect([...applyTo(median, step, { sizes: [5] }, { shape: [4, 4, 4], image: new Float32Array(64).fill(-2.5) }).image]).toEqual(
      Array(64).fill(-2.5),
    );
    const half = Float32Array.from({ length: 9 }, (_, i) => (i % 2 === 0 ? Number.NaN : i));
    expect([...applyTo(median, step, { sizes: [2] }, { shape: [1, 9], image: half }).image]).toEqual(reference(half, [1, 9], 2));
    const two = applyTo(median, step, { sizes: [null, 3] }, { shape: [1, 1, 3], image: [5, 1, 9, 5, 1, 9] });
    expect([...two.image]).toEqual([5, 1, 9, 5, 5, 9]);
  });

  it('of an even size reaches to the other side where an axis is mirrored already', () => {
    const image = noise(60);
    const plain = applyTo(median, step, { sizes: [4] }, { shape: [3, 4, 5], image });
    const early = applyTo(median, step, { sizes: [4] }, { shape: [3, 4, 5], image: image.slice().reverse(), mirrored: [0, 1, 2] });
    expect([...early.image]).toEqual([...plain.image].reverse());
  });

  it('draws sizes from 2 to 7 equally often, for every second channel', () => {
    const sizes = drawMany(median, step, contextOf([8, 8, 8], 2), 6000).flatMap((drawn) => drawn?.sizes ?? [null, null]);
    for (const size of [2, 3, 4, 5, 6, 7]) expect(Math.abs(sizes.filter((drawn) => drawn === size).length - 1000)).toBeLessThan(150);
    expect(Math.abs(sizes.filter((drawn) => drawn === null).length - 6000)).toBeLessThan(300);
  });

  it('needs a few bytes a voxel besides a copy of one channel', () => {
    expect(median.scratchBytes?.(complete(median, step), contextOf([128, 128, 128]))).toBeLessThan(1.15 * 4 * 128 ** 3);
  });
});
