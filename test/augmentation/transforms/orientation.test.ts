import { describe, expect, it } from 'vitest';
import { permuteAxes } from '../../../src/augmentation/transforms/spatial/permute-axes.ts';
import { rotateQuarters } from '../../../src/augmentation/transforms/spatial/rotate-quarters.ts';
import type { Axis } from '../../../src/common/geometry.ts';
import { type Triple, voxels } from '../../../src/common/geometry.ts';
import { applyTo, contextOf, drawMany, indices } from './apply-to.ts';
import { type Recorded, recorded } from './recorded.ts';

const lifted = ({ shape }: Recorded, axes: number[]): number[] => axes.map((axis) => axis + 3 - shape.length);

describe('rotateQuarters', () => {
  it.each(recorded('rotateQuarters'))('turns as batchgeneratorsv2 does: $shape $parameters', (record) => {
    const axes = lifted(record, record.parameters.axes) as [number, number];
    const { image } = applyTo(rotateQuarters, { transform: 'rotateQuarters' }, { ...record.parameters, axes }, record);
    expect([...image]).toEqual([...Float32Array.from(record.result)]);
  });

  it('turns every channel, the labels and the previous labels alike', () => {
    const labels = Int16Array.from({ length: 27 }, (_, i) => i);
    const image = Float32Array.from({ length: 54 }, (_, i) => i);
    const made = applyTo(
      rotateQuarters,
      { transform: 'rotateQuarters' },
      { axes: [0, 2], quarters: 3 },
      { shape: [3, 3, 3], image, target: labels, previous: labels.map((label) => label * 2) },
    );
    expect([...made.image.slice(0, 27)]).toEqual([...made.target]);
    expect([...made.image.slice(27)]).toEqual([...made.target].map((label) => label + 27));
    expect([...made.previous]).toEqual([...made.target].map((label) => label * 2));
  });

  it('draws planes and quarters equally often', () => {
    const counts: Record<string, number> = {};
    for (const drawn of drawMany(rotateQuarters, { transform: 'rotateQuarters' }, contextOf([8, 8, 8]), 12000))
      counts[JSON.stringify(drawn)] = (counts[JSON.stringify(drawn)] ?? 0) + 1;
    expect(counts.null / 12000).toBeCloseTo(0.25, 1);
    expect(Object.keys(counts).length).toBe(10);
    for (const [key, count] of Object.entries(counts)) if (key !== 'null') expect(Math.abs(count - 1000)).toBeLessThan(150);
  });

  it('takes the axes of one size, and nothing where there are none', () => {
    const planes = (shape: number[]): string[] => [
      ...new Set(
        drawMany(rotateQuarters, { transform: 'rotateQuarters' }, contextOf(shape), 100).map((drawn) => JSON.stringify(drawn?.axes)),
      ),
    ];
    expect(planes([4, 9, 4]).sort()).toEqual(['[0,2]', undefined]);
    expect(planes([9, 9]).sort()).toEqual(['[1,2]', undefined]);
    expect(planes([1, 9])).toEqual([undefined]);
    expect(planes([4, 5, 6])).toEqual([undefined]);
  });
});

describe('permuteAxes', () => {
  it.each(recorded('permuteAxes'))('exchanges axes as batchgeneratorsv2 does: $parameters', (record) => {
    const { image } = applyTo(permuteAxes, { transform: 'permuteAxes' }, record.parameters, record);
    expect([...image]).toEqual([...Float32Array.from(record.result)]);
  });

  it('draws every order equally often', () => {
    const counts: Record<string, number> = {};
    for (const drawn of drawMany(permuteAxes, { transform: 'permuteAxes' }, contextOf([8, 8, 8]), 6000))
      counts[JSON.stringify(drawn?.order)] = (counts[JSON.stringify(drawn?.order)] ?? 0) + 1;
    expect(Object.keys(counts).length).toBe(6);
    for (const count of Object.values(counts)) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });
});

/** The plain meaning of a mirror. */
function mirrored(image: ArrayLike<number>, shape: Triple, axes: readonly Axis[]): Float32Array {
  const at = ([z, y, x]: Triple): number => (z * shape[1] + y) * shape[2] + x;
  return Float32Array.from(
    indices(shape),
    (index) => image[at(index.map((i, axis) => (axes.includes(axis as Axis) ? shape[axis] - 1 - i : i)) as Triple)],
  );
}

describe.each([
  [{ axes: [0, 1], quarters: 1 }, [3, 3, 3]],
  [{ axes: [0, 2], quarters: 3 }, [3, 2, 3]],
  [{ axes: [1, 2], quarters: 2 }, [2, 3, 3]],
] as [{ axes: [number, number]; quarters: number }, Triple][])('behind a mirror, %j', (parameters, shape) => {
  it.each([[[0]], [[1]], [[0, 2]], [[0, 1, 2]]] as [Axis[]][])('of axes %j gives the mirror image of what it gives without', (axes) => {
    const image = Float32Array.from({ length: voxels(shape) }, (_, i) => i);
    const step = { transform: 'rotateQuarters' } as const;
    const plain = applyTo(rotateQuarters, step, parameters, { shape, image });
    const early = applyTo(rotateQuarters, step, parameters, { shape, image: mirrored(image, shape, axes), mirrored: axes });
    expect([...early.image]).toEqual([...mirrored(plain.image, shape, axes)]);
    if (new Set(shape).size > 1) return;
    const exchanged = applyTo(permuteAxes, { transform: 'permuteAxes' }, { order: [1, 2, 0] }, { shape, image });
    const earlier = applyTo(
      permuteAxes,
      { transform: 'permuteAxes' },
      { order: [1, 2, 0] },
      { shape, image: mirrored(image, shape, axes), mirrored: axes },
    );
    expect([...earlier.image]).toEqual([...mirrored(exchanged.image, shape, axes)]);
  });
});
