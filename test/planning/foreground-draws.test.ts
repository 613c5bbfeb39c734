import { describe, expect, it } from 'vitest';
import { NumpyRandom } from '../../src/common/numpy-random.ts';
import { kernelSpace } from '../../src/kernels/kernel-space.ts';
import { KERNEL_BYTES } from '../../src/kernels/kernels.ts';
import { ForegroundDraws } from '../../src/planning/foreground-draws.ts';

/** What others do in the kernels' memory between two calls. */
function scribble(): void {
  new Uint8Array(kernelSpace(KERNEL_BYTES).buffer, KERNEL_BYTES, 10_000).fill(0xa5);
}

describe('draws that are counted', () => {
  it('are the same as they would be one by one, and go on alike', () => {
    // Powers of two need no rejection, one more of them the most; 5000 draws go past the 624 numbers that are made at a time.
    for (const below of [1, 2, 3, 64, 65, 1000, 2 ** 18 + 3]) {
      const [counting, drawing] = [new ForegroundDraws(1234, below), new NumpyRandom(1234)];
      for (const draws of [5000, 0, 7, 623, 1, 20_000]) {
        const table = new Uint32Array(below);
        counting.count(draws, table);
        scribble();
        const expected = new Uint32Array(below);
        for (let i = 0; i < draws; i++) expected[drawing.below(below)]++;
        expect(Buffer.compare(Buffer.from(table.buffer), Buffer.from(expected.buffer)), `${draws} of ${below}`).toBe(0);
      }
    }
  });

  it('are of up to 2^31 numbers', () => {
    for (const below of [2 ** 30 + 1, 2 ** 31]) {
      const drawing = new NumpyRandom(9);
      // Of so many, those below 2^22 are looked at: others fall beyond the end of a table that is shorter.
      const [table, expected] = [new Uint32Array(2 ** 22), new Uint32Array(2 ** 22)];
      new ForegroundDraws(9, below).count(100_000, table);
      for (let i = 0; i < 100_000; i++) expected[drawing.below(below)]++;
      expect(Buffer.compare(Buffer.from(table.buffer), Buffer.from(expected.buffer))).toBe(0);
      expect(table.some((count) => count > 0)).toBe(true);
    }
  });

  it('are counted at the places of what was drawn', () => {
    const below = 777;
    const places = Uint16Array.from({ length: below }, (_, i) => (i * 31) % 50);
    const [byPlace, byNumber] = [new Uint32Array(50), new Uint32Array(below)];
    const [one, other] = [new ForegroundDraws(5, below), new ForegroundDraws(5, below)];
    for (const draws of [1000, 99]) {
      one.count(draws, byPlace, places);
      other.count(draws, byNumber);
    }
    const expected = new Uint32Array(50);
    byNumber.forEach((count, number) => {
      expected[places[number]] += count;
    });
    expect(byPlace).toEqual(expected);
    const single = new Uint32Array(3);
    new ForegroundDraws(5, 1).count(12, single, Uint16Array.of(2));
    expect([...single]).toEqual([0, 0, 12]);
  });

  it('add to what was counted before', () => {
    const table = Uint32Array.from([10, 20]);
    new ForegroundDraws(1234, 2).count(100, table);
    expect(table[0] + table[1]).toBe(130);
    expect(Math.min(table[0] - 10, table[1] - 20)).toBeGreaterThan(30);
  });
});
