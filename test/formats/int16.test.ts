import { describe, expect, it } from 'vitest';
import { fromInt16, toInt16 } from '../../src/formats/int16.ts';

const between = (least: number, largest: number): Float32Array =>
  Float32Array.from({ length: 5000 }, (_, i) => least + ((i * 1234577) % 4999) * ((largest - least) / 4998));

describe('numbers as int16', () => {
  it.each([
    [-1, 1],
    [-1000.25, 3071],
    [0, 1e-6],
    [3, 4],
    [-9e37, 9e37],
    [-2e-30, -1e-30],
    [1e6, 1e6 + 0.5],
  ])('are off by half a step from %d to %d, and by what float32 rounds', (least, largest) => {
    const values = between(least, largest);
    const { stored, line } = toInt16(values);
    const size = Math.max(Math.abs(least), Math.abs(largest));
    const found = fromInt16(stored, line);
    const off = values.reduce((most, value, i) => Math.max(most, Math.abs(value - found[i])), 0);
    expect(off).toBeLessThanOrEqual((largest - least) / 131068 + size * 2 ** -23);
    expect(new Set(stored).size).toBe(new Set(values).size);
  });

  it('have 0 where it was', () => {
    const values = between(-1.7, 12.3);
    values[77] = 0;
    const { stored, line } = toInt16(values);
    expect(fromInt16(stored, line)[77]).toBe(0);
  });

  it.each([0, -0, 5.5, -1e-20])('are one number alone without a step: %d', (value) => {
    const { stored, line } = toInt16(new Float32Array(9).fill(value));
    expect(line).toEqual({ offset: Math.fround(value) + 0, scale: 0 });
    expect(fromInt16(stored, line)).toEqual(new Float32Array(9).fill(value + 0));
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, -1.1e38])('are none of %d', (value) => {
    expect(() => toInt16(Float32Array.of(1, value))).toThrow(RangeError);
  });
});
