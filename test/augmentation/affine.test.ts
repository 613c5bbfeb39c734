import { expect, it } from 'vitest';
import { affineMatrix } from '../../src/augmentation/affine.ts';

const ALL = [0, 1, 2] as const;
const PLANE = [1, 2] as const;

it('turns about axis 0 first, then 1, then 2, after scaling', () => {
  // Made with the original, batchgeneratorsv2.
  const expected = [0.946098, -0.56049, -0.02737, 0.516856, 0.891263, -0.38537, 0.218536, 0.318592, 1.029923];
  affineMatrix([0.3, -0.2, 0.5], [1.1, 1.1, 1.1], ALL).forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i], 6);
  });
});

it('turns from the lower of two axes towards the higher, and about axis 1 the other way', () => {
  const quarter = Math.PI / 2;
  const turns = [
    [1, 0, 0, 0, 0, -1, 0, 1, 0],
    [0, 0, 1, 0, 1, 0, -1, 0, 0],
    [0, -1, 0, 1, 0, 0, 0, 0, 1],
  ];
  turns.forEach((expected, axis) => {
    const angles = [0, 0, 0].map((_, i) => (i === axis ? quarter : 0));
    affineMatrix(angles, [1, 1, 1], ALL).forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i], 15);
    });
  });
});

it('scales the columns: axes of the output', () => {
  const turn = affineMatrix([0.3, -0.2, 0.5], [1, 1, 1], ALL);
  const scaled = affineMatrix([0.3, -0.2, 0.5], [0.5, 2, 4], ALL);
  expect(scaled).toEqual(turn.map((value, i) => value * [0.5, 2, 4][i % 3]));
});

it('is the identity without angles and scales', () => {
  expect(affineMatrix([0, 0, 0], [1, 1, 1], ALL).map((value) => value + 0)).toEqual([1, 0, 0, 0, 1, 0, 0, 0, 1]);
  expect(affineMatrix([0, 0], [1, 1], PLANE).map((value) => value + 0)).toEqual([1, 0, 0, 0, 1, 0, 0, 0, 1]);
});

it('turns a plane by the last angle and leaves axis 0 alone', () => {
  const matrix = affineMatrix([2, Math.PI / 6], [1.5, 0.5], PLANE);
  const [cosine, sine] = [Math.cos(Math.PI / 6), Math.sin(Math.PI / 6)];
  expect(matrix).toEqual([1, 0, 0, 0, cosine * 1.5, -sine * 0.5, 0, sine * 1.5, cosine * 0.5]);
  expect(affineMatrix([7, 2, Math.PI / 6], [9, 1.5, 0.5], PLANE)).toEqual(matrix);
});
