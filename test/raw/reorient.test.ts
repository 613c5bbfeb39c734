import { describe, expect, it } from 'vitest';
import { type Triple, transpose } from '../../src/common/geometry.ts';
import { back, letters, orientationOf, toRas, turnAffine, turnVolume } from '../../src/raw/reorient.ts';

/** All ways in which three axes may run. */
const WAYS = ['xyz', 'xzy', 'yxz', 'yzx', 'zxy', 'zyx'].flatMap((order) =>
  [0, 1, 2, 3, 4, 5, 6, 7].map((bits) => [...order].map((axis, i) => ({ axis: 'xyz'.indexOf(axis), sign: bits & (1 << i) ? -1 : 1 }))),
);
const SHAPE: Triple = [2, 3, 4];
const SIZES = [0.5, 2, 3];
const VOLUME = Int16Array.from({ length: 24 }, (_, i) => i);

function affineOf(way: (typeof WAYS)[number]): number[][] {
  const rows = [0, 1, 2].map((row) => [...way.map(({ axis, sign }, i) => (axis === row ? sign * SIZES[i] : 0)), 10 * row]);
  return [...rows, [0, 0, 0, 1]];
}

describe.each(['SimpleITKIOWithReorient', 'NibabelIOWithReorient'] as const)('a volume that %s turns', (reader) => {
  it.each(WAYS.map((way) => [way.map(({ axis, sign }) => (sign > 0 ? 'RAS' : 'LPI')[axis]).join(''), way] as const))(
    'runs to right, anterior and superior, every voxel where it was, and back: %s',
    (name, way) => {
      const affine = affineOf(way);
      const orientation = orientationOf(affine, reader);
      if (orientation === null) return expect.fail('it has no orientation');
      expect(letters(orientation)).toBe(name);
      const turn = toRas(orientation);
      const turned = turnVolume(VOLUME, SHAPE, turn);
      const shape = transpose(SHAPE, turn.from);
      const matrix = turnAffine(affine, SHAPE, turn);
      for (const row of [0, 1, 2]) for (const column of [0, 1, 2]) expect(matrix[row][column] > 0).toBe(row === column);
      const world = (of: number[][], [z, y, x]: number[]): number[] => of.slice(0, 3).map(([a, b, c, d]) => a * x + b * y + c * z + d);
      const places = new Map<string, number>();
      const each = ([depth, height, width]: Triple, visit: (at: Triple, i: number) => void): void => {
        for (let i = 0; i < depth * height * width; i++)
          visit([Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width], i);
      };
      each(SHAPE, (at, i) => places.set(String(world(affine, at)), VOLUME[i]));
      each(shape, (at, i) => expect(places.get(String(world(matrix, at)))).toBe(turned[i]));
      expect(turnVolume(turned, shape, back(turn))).toEqual(VOLUME);
    },
  );

  it('is turned by where its axes run most', () => {
    const [c, s] = [Math.cos(0.6), Math.sin(0.6)];
    const oblique = [
      [0, -s, c, 0],
      [0, c, s, 0],
      [-1, 0, 0, 0],
      [0, 0, 0, 1],
    ];
    const orientation = orientationOf(oblique, reader);
    expect(orientation && letters(orientation)).toBe('IAR');
  });
});
