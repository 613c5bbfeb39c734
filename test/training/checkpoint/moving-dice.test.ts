import { expect, test } from 'vitest';
import { movingDice } from '../../../src/training/moving-dice.ts';

test("the moving mean begins with the first epoch's and takes a tenth of each later one", () => {
  const first = movingDice(null, [0.2, 0.6]);
  expect(first).toBeCloseTo(0.4, 12);
  expect(movingDice(first, [0.8, 1])).toBeCloseTo(0.45, 12);
});

test('classes that are nowhere do not count, nor do epochs without any or without validation', () => {
  expect(movingDice(null, [null, 0.5])).toBe(0.5);
  expect(movingDice(0.5, [null, 1])).toBeCloseTo(0.55, 12);
  expect(movingDice(0.5, [null, null])).toBe(0.5);
  expect(movingDice(0.5, null)).toBe(0.5);
  expect(movingDice(null, null)).toBeNull();
});
