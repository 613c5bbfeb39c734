import { describe, expect, it } from 'vitest';
import { affineMatrix, IDENTITY } from '../../src/augmentation/affine.ts';
import { warpImage } from '../../src/augmentation/warp/image.ts';
import { warpLabels } from '../../src/augmentation/warp/labels.ts';
import type { ImageSampling, LabelSampling, Padding, Placement } from '../../src/augmentation/warp/placement.ts';
import { type Triple, voxels } from '../../src/common/geometry.ts';
import { Draws } from '../../src/common/random.ts';

const ALL = [0, 1, 2] as const;
const PLANE = [1, 2] as const;
const PADDINGS: Padding[] = ['zeros', 'constant', 'border', 'reflection'];
const BOTH = [{ nnunetCompat: false }, { nnunetCompat: true }];

function image(placement: Placement, from: ArrayLike<number>, sampling: ImageSampling = {}): number[] {
  const out = new Float32Array(voxels(placement.patch)).fill(Number.NaN);
  warpImage(Float32Array.from(from), placement, sampling, out);
  return [...out];
}

function labels(placement: Placement, from: ArrayLike<number>, sampling: LabelSampling = {}): number[] {
  const out = new Int16Array(voxels(placement.patch)).fill(99);
  warpLabels(Int16Array.from(from), placement, sampling, out);
  return [...out];
}

function counting(count: number, make: (i: number) => number = (i) => i): number[] {
  return Array.from({ length: count }, (_, i) => make(i));
}

function drawn(count: number, below: number): number[] {
  const draws = new Draws(1, 2, 3 as 0);
  return counting(count, () => draws.below(below));
}

/** A row out of a square of equal rows (see `rows`), read so far to the right. */
function moved(length: number, by: number, more: Partial<Placement> = {}): Placement {
  const middle: Triple = [0.5, length / 2, length / 2 + by];
  return { source: [1, length, length], patch: [1, 1, length], axes: PLANE, matrix: IDENTITY, center: middle, ...more };
}

function rows(row: number[]): number[] {
  return row.flatMap(() => row);
}

describe('vectors made with batchgeneratorsv2', () => {
  const flat: Placement = { source: [1, 6, 7], patch: [1, 4, 4], axes: PLANE, matrix: affineMatrix([0, Math.PI / 6], [1.2, 1.2], PLANE) };
  const solid: Placement = {
    source: [3, 4, 5],
    patch: [2, 3, 3],
    axes: ALL,
    matrix: affineMatrix([0.3, -0.2, 0.5], [1.1, 1.1, 1.1], ALL),
  };

  it.each(BOTH)('2D, %o', (mode) => {
    // biome-ignore format: one row of numbers
    const expected = [13.4292, 10.2685, 7.1077, 3.9469, 21.3038, 18.1431, 14.9823, 11.8215, 29.1785, 26.0177, 22.8569, 19.6962, 37.0531, 33.8923, 30.7315, 27.5708];
    image({ ...flat, ...mode }, counting(42)).forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i], 3);
    });
    const from = counting(42, (i) => Math.floor(i / 5) % 3);
    expect(labels({ ...flat, ...mode }, from)).toEqual([0, 1, 2, 0, 1, 0, 0, 2, 0, 1, 2, 0, 1, 0, 0, 2]);
  });

  it.each(BOTH)('3D, %o', (mode) => {
    // biome-ignore format: one row of numbers
    const expected = [26.5168, 25.0725, 22.9689, 20.0819, 18.6376, 17.1933, 13.6855, 12.4417, 11.2471, 44.1593, 44.5795, 44.9505, 41.8067, 40.3624, 38.9181, 33.9625, 33.9275, 32.4832];
    image({ ...solid, ...mode }, counting(60)).forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i], 3);
    });
  });

  it('3D labels, of which none is padding: the patch stays within half a voxel of the source', () => {
    const from = counting(60, (i) => i % 3);
    const expected = [2, 0, 2, 2, 0, 2, 2, 0, 1, 1, 2, 0, 0, 2, 0, 0, 2, 0];
    for (const mode of [...BOTH, { nnunetCompat: true, fusedMatrix: false }]) expect(labels({ ...solid, ...mode }, from)).toEqual(expected);
  });
});

describe('nothing to interpolate', () => {
  const source: Triple = [5, 6, 7];

  it.each(BOTH)('is a crop, and the same through the grid where sizes differ by even numbers, %o', (mode) => {
    const placement: Placement = { source, patch: [3, 2, 5], axes: ALL, ...mode };
    const expected = counting(30, (i) => ((Math.floor(i / 10) + 1) * 6 + (Math.floor(i / 5) % 2) + 2) * 7 + (i % 5) + 1);
    expect(image(placement, counting(210))).toEqual(expected);
    expect(labels(placement, counting(210))).toEqual(expected);
    // Down to the rounding of the float32 grid.
    const sampled = image({ ...placement, matrix: IDENTITY }, counting(210));
    expect(Math.max(...sampled.map((value, i) => Math.abs(value - expected[i])))).toBeLessThan(mode.nnunetCompat ? 1e-4 : 1e-12);
    expect(labels({ ...placement, matrix: IDENTITY }, counting(210))).toEqual(expected);
  });

  it('pads', () => {
    const placement: Placement = { source: [1, 1, 3], patch: [1, 1, 9], axes: PLANE };
    const results = PADDINGS.map((padding) => image(placement, [1, 2, 3], { padding, value: 7 }));
    expect(results).toEqual([
      [0, 0, 0, 1, 2, 3, 0, 0, 0],
      [7, 7, 7, 1, 2, 3, 7, 7, 7],
      [1, 1, 1, 1, 2, 3, 3, 3, 3],
      [2, 3, 2, 1, 2, 3, 2, 1, 2],
    ]);
    expect(labels(placement, [1, 2, 3])).toEqual([-1, -1, -1, 1, 2, 3, -1, -1, -1]);
  });

  it('takes the whole voxels around a centre, also beside the source', () => {
    const placement: Placement = { source: [1, 1, 6], patch: [1, 1, 3], axes: PLANE, center: [0.5, 0.5, 4.9] };
    expect(image(placement, counting(6))).toEqual([3, 4, 5]);
    expect(labels({ ...placement, center: [0.5, 0.5, -5] }, counting(6))).toEqual([-1, -1, -1]);
    expect(image({ ...placement, center: [0.5, 0.5, 50] }, counting(6), { padding: 'border' })).toEqual([5, 5, 5]);
  });
});

describe('padding', () => {
  it.each(BOTH)('of images, %o', (mode) => {
    const placement = moved(3, 2.25, mode);
    // Places 2.25, 3.25 and 4.25 of [4, 8, 16].
    expect(image(placement, rows([4, 8, 16]))).toEqual([12, 0, 0]);
    expect(image(placement, rows([4, 8, 16]), { padding: 'constant', value: 5 })).toEqual([13.25, 5, 5]);
    expect(image(placement, rows([4, 8, 16]), { padding: 'constant', value: 0 })).toEqual([12, 0, 0]);
    expect(image(placement, rows([4, 8, 16]), { padding: 'border' })).toEqual([16, 16, 16]);
    image(placement, rows([4, 8, 16]), { padding: 'reflection' }).forEach((value, i) => {
      // Mirrored at 2.5: places 2.75 (beyond the last middle: clamped), 1.75 and 0.75.
      expect(value).toBeCloseTo([16, 14, 7][i], 4);
    });
    expect(image(placement, rows([4, 8, 16]), { interpolation: 'nearest' })).toEqual([16, 0, 0]);
    expect(image(placement, rows([4, 8, 16]), { interpolation: 'nearest', padding: 'constant', value: 5 })).toEqual([16, 5, 5]);
  });

  it.each(BOTH)('of labels: a source ends at the edge of its outermost voxels, %o', (mode) => {
    expect(labels(moved(4, 0.25, mode), rows([1, 2, 3, 4]))).toEqual([1, 2, 3, 4]);
    expect(labels(moved(4, 0.75, mode), rows([1, 2, 3, 4]))).toEqual([2, 3, 4, -1]);
    expect(labels(moved(4, 0.75, mode), rows([1, 2, 3, 4]), { value: 9 })).toEqual([2, 3, 4, 9]);
    expect(labels(moved(4, 2, mode), rows([1, 2, 3, 4]), { padding: 'border' })).toEqual([3, 4, 4, 4]);
    for (const interpolation of ['linear', 'nearest'] as const) {
      expect(labels(moved(4, 1.75, mode), rows([1, 2, 3, 4]), { padding: 'zeros', interpolation })).toEqual([3, 4, 0, 0]);
      expect(labels(moved(4, 1.75, mode), rows([1, 2, 3, 4]), { interpolation })).toEqual([3, 4, -1, -1]);
    }
  });

  it.each(BOTH)('of labels: its weights along all axes count together, %o', (mode) => {
    const placement: Placement = {
      source: [4, 12, 40],
      patch: [4, 12, 40],
      axes: ALL,
      matrix: affineMatrix([0, 0, 0], [1.04, 1.04, 1.04], ALL),
      ...mode,
    };
    // Beyond the middles of the outermost voxels by 0.06, 0.22 and 0.78.
    const found = labels(placement, new Int16Array(1920));
    expect(found.filter((label, x) => label !== (x % 40 === 0 || x % 40 === 39 ? -1 : 0))).toEqual([]);
  });
});

describe('labels that tie', () => {
  it.each(BOTH)('go to the nearest voxel, which is the even one where two are as near, %o', (mode) => {
    expect(labels(moved(4, 0.5, mode), rows([1, 5, 2, 2]))).toEqual([1, 2, 2, -1]);
    expect(labels(moved(4, 0.5, mode), rows([5, 1, 2, 3]))).toEqual([5, 2, 2, -1]);
    expect(labels(moved(4, 0.5, mode), rows([0, 5, -1, -1]))).toEqual([0, -1, -1, -1]);
    const middle: Placement = { source: [2, 2, 2], patch: [1, 1, 1], axes: ALL, matrix: IDENTITY, ...mode };
    expect(labels(middle, [2, 1, 1, 1, 2, 2, 3, 3])).toEqual([2]);
    expect(labels(middle, [4, 1, 2, 3, 5, 6, 7, 8])).toEqual([4]);
  });

  it.each(BOTH)('go to the lowest where the nearest is not one of them, %o', (mode) => {
    const middle: Placement = { source: [2, 2, 2], patch: [1, 1, 1], axes: ALL, matrix: IDENTITY, ...mode };
    expect(labels(middle, [3, 1, 1, 1, 2, 2, 2, 3])).toEqual([1]);
    expect(labels(middle, [3, 2, 2, 2, -1, -1, -1, 3])).toEqual([-1]);
  });

  it('are those within float16 of a thousandth in compatibility mode only', () => {
    // The nearest voxel has label 5 and this share of the weights, at 0.1 along axis 1.
    const at = (share: number, mode: Partial<Placement>): number[] => {
      const center: Triple = [0.5, 0.6, 1.5 - share / 0.9];
      return labels({ source: [1, 2, 2], patch: [1, 1, 1], axes: PLANE, matrix: IDENTITY, center, ...mode }, [5, 0, 0, 0]);
    };
    expect([0.4995, 0.49995, 0.5002].map((share) => at(share, { nnunetCompat: false })[0])).toEqual([0, 0, 5]);
    expect([0.4995, 0.49995, 0.5002].map((share) => at(share, { nnunetCompat: true })[0])).toEqual([0, 5, 5]);
  });

  it('tie after quarter turns too, whose cosine is not quite 0', () => {
    const from = drawn(216, 3);
    for (const patch of [
      [6, 6, 6],
      [5, 5, 5],
    ] as Triple[]) {
      const placement: Placement = { source: [6, 6, 6], patch, axes: ALL };
      const turned = labels({ ...placement, matrix: affineMatrix([Math.PI / 2, 0, 0], [1, 1, 1], ALL) }, from);
      expect(turned).toEqual(labels({ ...placement, matrix: [1, 0, 0, 0, 0, -1, 0, 1, 0] }, from));
      expect(turned).not.toContain(-1);
    }
  });
});

describe('planes', () => {
  it('are decided one by one', () => {
    const placement: Placement = { source: [2, 1, 2], patch: [2, 1, 2], axes: PLANE, matrix: [1, 0, 0, 0, 1, 0, 0, 0, 9] };
    for (const mode of BOTH) {
      expect(labels({ ...placement, ...mode }, [1, 2, 5, 6], { padding: 'border' })).toEqual([1, 2, 5, 6]);
      expect(labels({ ...placement, ...mode }, [1, 2, 5, 6])).toEqual([-1, -1, -1, -1]);
    }
  });

  it('are counted from the other end where the matrix mirrors axis 0', () => {
    const placement: Placement = { source: [3, 1, 2], patch: [3, 1, 2], axes: PLANE, matrix: [-1, 0, 0, 0, 1, 0, 0, 0, -1] };
    for (const mode of BOTH) {
      expect(image({ ...placement, ...mode }, counting(6))).toEqual([5, 4, 3, 2, 1, 0]);
      expect(labels({ ...placement, ...mode }, counting(6), { padding: 'border' })).toEqual([5, 4, 3, 2, 1, 0]);
      const far: Placement = { ...placement, ...mode, matrix: [-1, 0, 0, 0, 1, 0, 0, 0, 9] };
      expect(labels(far, counting(6), { padding: 'border' })).toEqual([4, 5, 2, 3, 0, 1]);
    }
  });

  it('are deformed alike', () => {
    const offsets = Float32Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0.5, -0.25, -0.25);
    const placement: Placement = { source: [2, 1, 4], patch: [2, 1, 4], axes: PLANE, offsets };
    for (const mode of BOTH)
      image({ ...placement, ...mode }, [0, 4, 8, 12, 100, 104, 108, 112], { padding: 'border' }).forEach((value, i) => {
        expect(value).toBeCloseTo([0, 6, 7, 11, 100, 106, 107, 111][i], 4);
      });
  });
});

describe('odd input', () => {
  const sizes: Triple[] = [
    [1, 1, 1],
    [1, 2, 3],
    [3, 1, 2],
    [2, 3, 1],
    [3, 3, 3],
  ];

  it.each(BOTH)('sizes of 1, 2 and 3, %o', (mode) => {
    const matrix = affineMatrix([0.4, -0.7, 1.9], [0.8, 1.3, 1.1], ALL);
    for (const source of sizes)
      for (const patch of sizes)
        for (const alignCorners of [false, true])
          for (const padding of PADDINGS) {
            const placement: Placement = { source, patch, axes: ALL, matrix, alignCorners, ...mode };
            const from = counting(voxels(source), (i) => 3 + (i % 3));
            for (const interpolation of ['linear', 'nearest'] as const)
              for (const value of image(placement, from, { interpolation, padding, value: 4 }))
                expect(value >= 0 && value < 5.0001).toBe(true);
            for (const interpolation of ['linear', 'nearest'] as const)
              for (const label of labels(placement, from, { interpolation, padding }))
                expect([3, 4, 5, ...(padding === 'constant' ? [-1] : padding === 'zeros' ? [0] : [])]).toContain(label);
          }
  });

  it.each(BOTH)('NaN spreads to the voxels that have it as a neighbour and no further, %o', (mode) => {
    const placement: Placement = {
      source: [5, 5, 5],
      patch: [5, 5, 5],
      axes: ALL,
      matrix: affineMatrix([0.2, 0.3, 0.1], [1, 1, 1], ALL),
      ...mode,
    };
    const clean = image(placement, new Float32Array(125).fill(2));
    const dirty = image(
      placement,
      counting(125, (i) => (i === 62 ? Number.NaN : 2)),
    );
    const touched = dirty.filter(Number.isNaN).length;
    expect(touched).toBeGreaterThan(0);
    expect(touched).toBeLessThanOrEqual(14);
    for (const [i, value] of dirty.entries()) if (!Number.isNaN(value)) expect(value).toBe(clean[i]);
    const inside = labels(placement, new Int16Array(125)).filter((label) => label === 0).length;
    expect(inside).toBeGreaterThan(50);
  });

  it.each(BOTH)('a constant stays constant within the source, %o', (mode) => {
    const matrix = affineMatrix([0.2, 0.3, 0.1], [0.9, 1.2, 1], ALL);
    const placement: Placement = { source: [9, 8, 7], patch: [8, 8, 8], axes: ALL, matrix, ...mode };
    const from = new Float32Array(504).fill(3);
    for (const padding of ['border', 'reflection'] as const)
      for (const value of image(placement, from, { padding })) expect(value).toBeCloseTo(3, 5);
    for (const value of image(placement, from)) expect(value).toBeLessThan(3.00001);
    expect(new Set(labels(placement, new Int16Array(504).fill(3)))).toEqual(new Set([3, -1]));
  });

  it.each(BOTH)('labels are only those there are, %o', (mode) => {
    const from = drawn(1000, 4).map((label) => [-1, 0, 7, 300][label]);
    const matrix = affineMatrix([1, 2, 3], [1.4, 0.7, 1], ALL);
    const placement: Placement = { source: [10, 10, 10], patch: [12, 9, 11], axes: ALL, matrix, ...mode };
    for (const interpolation of ['linear', 'nearest'] as const)
      expect(new Set(labels(placement, from, { interpolation }))).toEqual(new Set([-1, 0, 7, 300]));
  });
});
