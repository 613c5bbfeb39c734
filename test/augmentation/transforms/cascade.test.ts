import { describe, expect, it } from 'vitest';
import { type BinaryOperatorsParameters, binaryOperators } from '../../../src/augmentation/transforms/labels/binary-operators.ts';
import { findComponents } from '../../../src/augmentation/transforms/labels/components.ts';
import { oneHot } from '../../../src/augmentation/transforms/labels/one-hot.ts';
import { removeComponent } from '../../../src/augmentation/transforms/labels/remove-component.ts';
import { structuringElement } from '../../../src/augmentation/transforms/labels/structuring-element.ts';
import type { Axis } from '../../../src/common/geometry.ts';
import { type Triple, voxels } from '../../../src/common/geometry.ts';
import { applyTo, contextOf, drawMany, indices, noise } from './apply-to.ts';
import { recorded, recordedElements } from './recorded.ts';

const operatorStep = { transform: 'binaryOperators', channels: 2 } as const;
const removalStep = { transform: 'removeComponent', channels: 2 } as const;

describe('oneHot', () => {
  it('writes one channel a label behind the image', () => {
    const previous = [0, 1, 2, 4, -1, 4];
    const made = applyTo(oneHot, { transform: 'oneHot', labels: [1, 2, 4] }, {}, { shape: [2, 3], image: noise(24), previous });
    expect([...made.image.slice(0, 6)]).toEqual([...noise(24).slice(0, 6)]);
    expect([...made.image.slice(6)]).toEqual([0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1]);
    expect([...made.previous]).toEqual(previous);
  });

  it('refuses patches without room or without previous labels', () => {
    expect(() => drawMany(oneHot, { transform: 'oneHot', labels: [1, 2] }, contextOf([4, 4], 2), 1)).toThrow(/2 labels need more channels/);
    expect(() => applyTo(oneHot, { transform: 'oneHot', labels: [1] }, {}, { shape: [1, 2], image: [1, 2, 3, 4] })).toThrow(
      /previous stage/,
    );
  });
});

describe.each(['disk', 'ball'] as const)('the %s', (name) => {
  it.each(recordedElements(name))('of radius $radius is that of scikit-image', ({ radius, shape, members, bits }) => {
    const rows = structuringElement(radius, name === 'disk', []);
    expect(rows.reduce((sum, { low, high }) => sum + high - low + 1, 0)).toBe(members);
    if (bits === '') return;
    const middle = Math.floor((shape[0] - 1) / 2);
    const made = indices(name === 'disk' ? [1, ...shape] : shape).map(([i, j, k]) => {
      const [z, y, x] = [name === 'disk' ? 0 : i - middle, j - middle, k - middle];
      return rows.some((row) => row.z === z && row.y === y && row.low <= x && x <= row.high) ? '1' : '0';
    });
    expect(made.join('')).toBe(bits);
  });
});

describe('binaryOperators', () => {
  it.each(recorded('binaryOperators'))('changes labels as batchgeneratorsv2 does: $shape $parameters', (record) => {
    expect([...applyTo(binaryOperators, operatorStep, record.parameters, record).image]).toEqual(record.result);
  });

  it('leaves the image and empty labels alone', () => {
    const image = noise(54);
    image.fill(0, 18);
    for (const operator of ['dilation', 'erosion', 'closing', 'opening'] as const) {
      const parameters: BinaryOperatorsParameters = { operations: [{ channel: 1, operator, radius: 2 }] };
      expect([...applyTo(binaryOperators, operatorStep, parameters, { shape: [2, 3, 3], image }).image]).toEqual([...image]);
    }
  });

  it.each([[[0]], [[1, 2]], [[0, 1, 2]]] as [Axis[]][])('counts mirrored axes %j from their other end', (axes) => {
    const shape: Triple = [5, 6, 35];
    const count = voxels(shape);
    const at = ([z, y, x]: Triple): number => (z * shape[1] + y) * shape[2] + x;
    const turned = (image: Float32Array): Float32Array =>
      Float32Array.from(
        indices(shape),
        (index) => image[at(index.map((i, axis) => (axes.includes(axis as Axis) ? shape[axis] - 1 - i : i)) as Triple)],
      );
    const image = noise(2 * count).map((value, i) => (i >= count && value < 0.02 ? 1 : 0));
    const both = (turn: (channel: Float32Array) => Float32Array, whole: Float32Array): number[] => [
      ...turn(whole.slice(0, count)),
      ...turn(whole.slice(count)),
    ];
    const parameters: BinaryOperatorsParameters = { operations: [{ channel: 0, operator: 'dilation', radius: 2.5 }] };
    const step = { ...operatorStep, channels: 1 };
    const plain = applyTo(binaryOperators, step, parameters, { shape, image }).image;
    const early = applyTo(binaryOperators, step, parameters, { shape, image: both(turned, image), mirrored: axes }).image;
    expect([...early]).toEqual(both(turned, plain));
  });

  it('draws orders, operators and radii', () => {
    const all = drawMany(binaryOperators, { ...operatorStep, channels: 3 }, contextOf([8, 8, 8], 4), 4000);
    const operations = all.flatMap((drawn) => drawn?.operations ?? []);
    expect(Math.abs(operations.length - 6000)).toBeLessThan(250);
    for (const operator of ['dilation', 'erosion', 'closing', 'opening'])
      expect(Math.abs(operations.filter((operation) => operation.operator === operator).length / operations.length - 0.25)).toBeLessThan(
        0.03,
      );
    const radii = operations.map(({ radius }) => radius);
    expect(Math.min(...radii)).toBeGreaterThanOrEqual(1);
    expect(Math.max(...radii)).toBeLessThan(8);
    expect(Math.abs(radii.reduce((a, b) => a + b) / radii.length - 4.5)).toBeLessThan(0.15);
    const full = all
      .filter((drawn) => drawn?.operations.length === 3)
      .map((drawn) => drawn!.operations.map(({ channel }) => channel).join());
    expect(new Set(full).size).toBe(6);
    for (const order of new Set(full))
      expect(Math.abs(full.filter((other) => other === order).length / full.length - 1 / 6)).toBeLessThan(0.06);
    expect(() => drawMany(binaryOperators, operatorStep, contextOf([4, 4], 2), 1)).toThrow(/besides its image/);
  });

  it('closes 64 cubed at the largest radius: no voxel is lost, and a second time changes nothing', () => {
    const mask = noise(2 * 64 ** 3).map((value) => (value < 0.001 ? 1 : 0));
    const closed = (image: ArrayLike<number>): Float32Array =>
      applyTo(
        binaryOperators,
        { ...operatorStep, channels: 1 },
        { operations: [{ channel: 0, operator: 'closing', radius: 8 }] },
        { shape: [64, 64, 64], image },
      ).image;
    const once = closed(mask);
    // The first channel is the image, which it leaves alone.
    const [before, after] = [mask.slice(64 ** 3), once.slice(64 ** 3)];
    expect(after.filter((value) => value === 1).length).toBeGreaterThan(before.filter((value) => value === 1).length);
    expect(before.every((value, i) => value === 0 || after[i] === 1)).toBe(true);
    expect(closed(once)).toEqual(once);
  });
});

/** By filling one component after another. */
function flooded(image: ArrayLike<number>, shape: Triple): number[] {
  const labels = Array<number>(image.length).fill(-1);
  let found = 0;
  for (let first = 0; first < image.length; first++) {
    if (image[first] === 0 || labels[first] !== -1) continue;
    const open = [first];
    labels[first] = found;
    for (let voxel = open.pop(); voxel !== undefined; voxel = open.pop()) {
      const [z, y, x] = [Math.floor(voxel / shape[2] / shape[1]), Math.floor(voxel / shape[2]) % shape[1], voxel % shape[2]];
      for (const [i, j, k] of indices([3, 3, 3])) {
        const near: Triple = [z + i - 1, y + j - 1, x + k - 1];
        if (near.some((position, axis) => position < 0 || position >= shape[axis])) continue;
        const at = (near[0] * shape[1] + near[1]) * shape[2] + near[2];
        if (image[at] === 0 || labels[at] !== -1) continue;
        labels[at] = found;
        open.push(at);
      }
    }
    found++;
  }
  return labels;
}

describe('components', () => {
  it.each([[[1, 1, 1]], [[3, 1, 7]], [[2, 2, 2]], [[1, 30, 31]], [[11, 7, 13]], [[13, 1, 1]], [[5, 12, 1]]] as [Triple][])(
    'of %j',
    (shape) => {
      const count = voxels(shape);
      for (const density of [0, 0.08, 0.3, 0.6, 1]) {
        const image = noise(count, shape[2]).map((value) => (value < density ? 1 : 0));
        const labels = new Int32Array(count).fill(77);
        const sizes = new Int32Array(count).fill(77);
        const found = findComponents(image, shape, labels, sizes);
        const expected = flooded(image, shape);
        expect([...labels]).toEqual(expected);
        expect([...sizes.slice(0, found)]).toEqual(Array.from({ length: found }, (_, k) => expected.filter((label) => label === k).length));
      }
    },
  );
});

describe('removeComponent', () => {
  it.each(recorded('removeComponent'))('removes what batchgeneratorsv2 does: $shape $parameters', (record) => {
    expect([...applyTo(removeComponent, removalStep, record.parameters, record).image]).toEqual(record.result);
  });

  it('leaves large components', () => {
    const image = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0];
    const step = { ...removalStep, channels: 1 };
    const remove = (limit: number): number[] => [
      ...applyTo(removeComponent, { ...step, limit }, { removals: [{ channel: 0, pick: 0 }] }, { shape: [1, 10], image }).image.slice(10),
    ];
    expect(remove(0.2)).toEqual([1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(remove(0.21)).toEqual([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    expect(remove(0.05)).toEqual([1, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
  });

  it('draws one uniform number for each chosen label', () => {
    const removals = drawMany(removeComponent, removalStep, contextOf([8, 8], 3), 2000).flatMap((drawn) => drawn?.removals ?? []);
    expect(Math.abs(removals.length - 2000)).toBeLessThan(150);
    expect(Math.abs(removals.reduce((sum, { pick }) => sum + pick, 0) / removals.length - 0.5)).toBeLessThan(0.03);
    expect(drawMany(removeComponent, { ...removalStep, channelProbability: 0 }, contextOf([8, 8], 3), 1)).toEqual([null]);
  });
});
