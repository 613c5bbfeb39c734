import { describe, expect, it } from 'vitest';
import { additiveBrightness } from '../../../src/augmentation/transforms/intensity/additive-brightness.ts';
import { blankRectangles } from '../../../src/augmentation/transforms/intensity/blank-rectangles.ts';
import { sharpen } from '../../../src/augmentation/transforms/intensity/sharpen.ts';
import type { Box } from '../../../src/common/geometry.ts';
import { expectClose } from '../../golden/golden.ts';
import { applyTo, contextOf, drawMany, noise } from './apply-to.ts';
import { recorded } from './recorded.ts';

describe('additiveBrightness', () => {
  const step = { transform: 'additiveBrightness' } as const;

  it('adds a number to chosen channels', () => {
    const made = applyTo(
      additiveBrightness,
      step,
      { shifts: [null, 0.25] },
      { shape: [1, 3], image: [1, 2, Number.NaN, 1, 2, Number.NaN] },
    );
    expect([...made.image]).toEqual([1, 2, Number.NaN, 1.25, 2.25, Number.NaN]);
  });

  it('draws normally distributed numbers for every second channel', () => {
    const shifts = drawMany(additiveBrightness, step, contextOf([4, 4], 2), 10000).flatMap((drawn) => drawn?.shifts ?? [null, null]);
    const drawn = shifts.filter((shift) => shift !== null);
    expect(Math.abs(drawn.length - 10000)).toBeLessThan(400);
    const below = (limit: number): number => drawn.filter((shift) => shift < limit).length / drawn.length;
    for (const [limit, share] of [
      [-1, 0.02275],
      [-0.5, 0.15866],
      [0, 0.5],
      [0.25, 0.69146],
      [1, 0.97725],
    ])
      expect(Math.abs(below(limit) - share)).toBeLessThan(0.02);
  });

  it('draws around a mean of its own, and nothing where no channel is chosen', () => {
    expect(drawMany(additiveBrightness, { ...step, mean: 3, sigma: 0, channelProbability: 1 }, contextOf([4, 4]), 1)).toEqual([
      { shifts: [3] },
    ]);
    expect(drawMany(additiveBrightness, { ...step, channelProbability: 0 }, contextOf([4, 4]), 1)).toEqual([null]);
  });
});

describe('sharpen', () => {
  const step = { transform: 'sharpen' } as const;

  it.each(recorded('sharpen'))('adds the Laplacian as batchgeneratorsv2 does: $shape', (record) => {
    expectClose(applyTo(sharpen, step, record.parameters, record).image, record.result, { kind: 'allclose', atol: 2e-6, rtol: 1e-6 });
  });

  it('leaves constant images and single voxels as they are, and other channels too', () => {
    expect([...applyTo(sharpen, step, { strengths: [1] }, { shape: [2, 3, 1], image: new Float32Array(6).fill(0.3) }).image]).toEqual(
      Array(6).fill(Math.fround(0.3)),
    );
    expect([...applyTo(sharpen, step, { strengths: [1] }, { shape: [1, 1, 1], image: [4] }).image]).toEqual([4]);
    expect([...applyTo(sharpen, step, { strengths: [null, 0.5] }, { shape: [1, 2], image: [0, 1, 0, 1] }).image]).toEqual([
      0, 1, -0.5, 1.5,
    ]);
  });

  it('draws strengths from 0.1 to 1', () => {
    const strengths = drawMany(sharpen, step, contextOf([4, 4]), 4000).flatMap((drawn) => drawn?.strengths[0] ?? []);
    expect(Math.abs(strengths.length - 2000)).toBeLessThan(200);
    expect(Math.min(...strengths)).toBeGreaterThanOrEqual(0.1);
    expect(Math.max(...strengths)).toBeLessThan(1);
    expect(strengths.reduce((a, b) => a + b) / strengths.length).toBeCloseTo(0.55, 1);
  });
});

describe('blankRectangles', () => {
  const step = { transform: 'blankRectangles' } as const;

  it.each(recorded('blankRectangles'))('fills boxes as batchgeneratorsv2 does: $shape', (record) => {
    const flat = record.shape.length === 2;
    const boxes = record.parameters.boxes[0].map(([lower, upper]: number[][]) => ({
      lower: flat ? [0, ...lower] : lower,
      upper: flat ? [1, ...upper] : upper,
    }));
    const made = applyTo(blankRectangles, step, { boxes: [boxes] }, record);
    expectClose(made.image, record.result, { kind: 'allclose', atol: 1e-6, rtol: 1e-6 });
  });

  it('leaves channels that are not chosen', () => {
    const image = noise(24);
    const boxes: [null, Box[]] = [null, [{ lower: [0, 0, 0], upper: [1, 3, 4] }]];
    const made = applyTo(blankRectangles, step, { boxes }, { shape: [3, 4], image }).image;
    expect(made.slice(0, 12)).toEqual(image.slice(0, 12));
    expect(new Set(made.slice(12)).size).toBe(1);
  });

  it('draws 1 to 4 boxes, with edges from a tenth to below a third of the patch, anywhere inside', () => {
    const shape = [41, 12, 60];
    const drawn = drawMany(blankRectangles, { ...step, channelProbability: 1 }, contextOf(shape), 4000).map((made) => made!.boxes[0]!);
    for (const count of [1, 2, 3, 4]) expect(Math.abs(drawn.filter((boxes) => boxes.length === count).length - 1000)).toBeLessThan(150);
    const boxes = drawn.flat();
    for (const [axis, size] of shape.entries()) {
      const edges = boxes.map(({ lower, upper }) => upper[axis] - lower[axis]);
      expect(Math.min(...edges)).toBe(Math.max(1, Math.floor(size / 10)));
      expect(Math.max(...edges)).toBe(Math.floor(size / 3) - 1);
      expect(Math.min(...boxes.map(({ lower }) => lower[axis]))).toBe(0);
      expect(Math.max(...boxes.map(({ upper }) => upper[axis]))).toBe(size);
    }
  });

  it.each([[[1, 1, 1]], [[2, 3, 5]], [[7, 1]], [[6, 6]]])('has room in a patch of %j', (shape) => {
    for (const drawn of drawMany(blankRectangles, { ...step, channelProbability: 1 }, contextOf(shape), 100)) {
      for (const { lower, upper } of drawn!.boxes[0]!) {
        const { shape: whole } = contextOf(shape);
        for (const [axis, size] of whole.entries()) expect(0 <= lower[axis] && lower[axis] < upper[axis] && upper[axis] <= size).toBe(true);
      }
    }
  });
});
