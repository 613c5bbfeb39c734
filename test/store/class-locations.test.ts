import { describe, expect, it } from 'vitest';
import { sampleClassLocations } from '../../src/store/class-locations.ts';

const classes = (...labels: number[][]) => labels.map((values) => ({ name: values.join('+'), labels: values }));

describe('class locations', () => {
  it('are the ones that nnU-Net draws, region keys in their written order', () => {
    const at = (z: number, y: number, x: number): number => (z * 3 + y) * 4 + x;
    const segmentation = new Int8Array(2 * 3 * 4);
    for (const y of [1, 2]) for (const x of [1, 2]) segmentation[at(1, y, x)] = 1;
    segmentation[at(0, 0, 0)] = 2;
    const found = sampleClassLocations(segmentation, classes([1], [2], [3], [1, 2]));
    expect(found.map(({ labels }) => labels)).toEqual([[1], [2], [3], [1, 2]]);
    expect(found.map(({ voxels }) => voxels)).toEqual([4, 1, 0, 5]);
    // The draw for label 1 happens to leave the four voxels in their order.
    expect(found.map(({ locations }) => [...locations])).toEqual([
      [at(1, 1, 1), at(1, 1, 2), at(1, 2, 1), at(1, 2, 2)],
      [at(0, 0, 0)],
      [],
      [at(1, 2, 1), at(1, 1, 2), at(1, 2, 2), at(1, 1, 1), at(0, 0, 0)],
    ]);
  });

  it('depend on the order in which a region lists its labels', () => {
    // RandomState(1234).permutation(7) is 2, 1, 6, 0, 4, 5, 3.
    const segmentation = Int16Array.from([1, 2, 1, 2, 1, 2, 2]);
    expect([...sampleClassLocations(segmentation, classes([1, 2]))[0].locations]).toEqual([4, 2, 6, 0, 3, 5, 1]);
    expect([...sampleClassLocations(segmentation, classes([2, 1]))[0].locations]).toEqual([5, 3, 4, 1, 0, 2, 6]);
  });

  it('of an absent class are empty and cost no draw', () => {
    const segmentation = Int8Array.from([1, 1, 1, 1, 1, 1, 1]);
    const [absent, region, present] = sampleClassLocations(segmentation, classes([5], [6, 7], [1]));
    expect(absent).toEqual({ labels: [5], voxels: 0, locations: new Uint32Array(0) });
    expect(region.locations).toHaveLength(0);
    expect([...present.locations]).toEqual([2, 1, 6, 0, 4, 5, 3]);
  });

  it('are at most 10000 of a class with more voxels', () => {
    const [{ voxels, locations }] = sampleClassLocations(new Int8Array(20000).fill(1), classes([1]));
    expect(voxels).toBe(20000);
    expect(locations).toHaveLength(10000);
    expect([...locations.subarray(0, 5)]).toEqual([18172, 16075, 15388, 13842, 8610]);
    expect(new Set(locations).size).toBe(10000);
  });

  it('are all voxels of a class with 10000', () => {
    const [{ locations }] = sampleClassLocations(new Int8Array(10000).fill(1), classes([1]));
    expect(new Set(locations).size).toBe(10000);
  });

  it('are one in a hundred, rounded up, of a class with more than a million', () => {
    const [{ voxels, locations }] = sampleClassLocations(new Int8Array(1_200_050).fill(1), classes([1]));
    expect(voxels).toBe(1_200_050);
    expect(locations).toHaveLength(12_001);
  });

  it('of the annotated voxels include the background and what is outside the nonzero region, not the ignore label', () => {
    const [, { voxels, locations }] = sampleClassLocations(Int8Array.from([-1, 0, 1, 2, 0, 2]), classes([1], [-1, 0, 1]));
    expect(voxels).toBe(4);
    expect([...locations].sort()).toEqual([0, 1, 2, 4]);
  });

  it('are the same every time', () => {
    const segmentation = Int16Array.from({ length: 500 }, (_, i) => (i * 7) % 3);
    const first = sampleClassLocations(segmentation, classes([1], [2], [1, 2]));
    expect(sampleClassLocations(segmentation, classes([1], [2], [1, 2]))).toEqual(first);
  });
});
