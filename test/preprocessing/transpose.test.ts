import { describe, expect, it } from 'vitest';
import type { Triple } from '../../src/common/geometry.ts';
import { transposeVolume } from '../../src/preprocessing/transpose.ts';

const ORDERS: Triple[] = [
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
];

/** By its definition: the voxel at (i, j, k) of the result is the one whose index along axis `forward[n]` is the n-th of these. */
function definition(volume: ArrayLike<number>, shape: Triple, forward: Triple): number[] {
  const result: number[] = [];
  for (let i = 0; i < shape[forward[0]]; i++) {
    for (let j = 0; j < shape[forward[1]]; j++) {
      for (let k = 0; k < shape[forward[2]]; k++) {
        const at = [0, 0, 0];
        [i, j, k].forEach((index, n) => {
          at[forward[n]] = index;
        });
        result.push(volume[(at[0] * shape[1] + at[1]) * shape[2] + at[2]]);
      }
    }
  }
  return result;
}

describe('a transposed volume', () => {
  it.each(ORDERS.map((forward) => [forward] as const))('in the order %j holds every voxel where it belongs', (forward) => {
    // Sizes around the widths that machines work in, and single slices.
    const shapes: Triple[] = [
      [2, 3, 4],
      [5, 17, 33],
      [16, 8, 32],
      [1, 9, 7],
      [6, 1, 10],
      [8, 5, 1],
    ];
    for (const shape of shapes) {
      const volume = Float32Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, i) => i + 0.5);
      expect([...transposeVolume(volume, shape, forward)], `${shape}`).toEqual(definition(volume, shape, forward));
    }
  });

  it('keeps its type, and the one it was made of as it is', () => {
    const shape: Triple = [3, 4, 5];
    for (const Type of [Float32Array, Int16Array, Int8Array]) {
      const volume = new Type(Array.from({ length: 60 }, (_, i) => 30 - i));
      const before = volume.slice();
      const found = transposeVolume<Float32Array | Int16Array | Int8Array>(volume, shape, [2, 0, 1]);
      expect(found).toBeInstanceOf(Type);
      expect([...found]).toEqual(definition(volume, shape, [2, 0, 1]));
      expect(volume).toEqual(before);
    }
  });

  it('in its own order is the volume itself', () => {
    const volume = new Float32Array(24);
    expect(transposeVolume(volume, [2, 3, 4], [0, 1, 2])).toBe(volume);
  });

  it('comes back in the reverse order', () => {
    const volume = Int16Array.from({ length: 210 }, (_, i) => i);
    const there = transposeVolume(volume, [5, 6, 7], [2, 0, 1]);
    expect(transposeVolume(there, [7, 5, 6], [1, 2, 0])).toEqual(volume);
  });
});
