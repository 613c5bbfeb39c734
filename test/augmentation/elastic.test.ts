import { expect, it } from 'vitest';
import { drawElastic, type ElasticParameters, elasticOffsets } from '../../src/augmentation/elastic.ts';
import { ExactGrid } from '../../src/augmentation/warp/exact-grid.ts';
import { gridOf } from '../../src/augmentation/warp/grid.ts';
import type { Triple } from '../../src/common/geometry.ts';
import { Draws } from '../../src/common/random.ts';

const SEED: ElasticParameters['seed'] = [1, 2, 3, 0xffffffff];
const PATCH: Triple = [20, 24, 28];

function largest(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

it('draws a scale and a magnitude for each axis, and a seed', () => {
  const drawn = drawElastic(new Draws(5, 6, 0), [0, 1, 2], [0, 0.2], [0.5, 3]);
  expect(drawn.scales).toHaveLength(3);
  expect(drawn.magnitudes).toHaveLength(3);
  expect(drawn.scales.every((scale) => scale >= 0 && scale < 0.2)).toBe(true);
  expect(drawn.magnitudes.every((magnitude) => magnitude >= 0.5 && magnitude < 3)).toBe(true);
  expect(drawn.seed.every((word) => word === word >>> 0)).toBe(true);
  expect(new Set([...drawn.scales, ...drawn.magnitudes, ...drawn.seed]).size).toBe(10);
  expect(drawElastic(new Draws(5, 6, 0), [0, 1, 2], [0, 0.2], [0.5, 3])).toEqual(drawn);
  expect(JSON.parse(JSON.stringify(drawn))).toEqual(drawn);
  expect(drawElastic(new Draws(5, 6, 0), [1, 2], 0.1, 1)).toMatchObject({ scales: [0.1, 0.1], magnitudes: [1, 1] });
});

it('reaches the magnitude on every axis', () => {
  const magnitudes = [0.2, 1, 7];
  for (const scale of [0, 0.01, 0.1, 0.2, 1]) {
    const offsets = elasticOffsets({ scales: [scale, scale, scale], magnitudes, seed: SEED }, PATCH);
    const size = offsets.length / 3;
    magnitudes.forEach((magnitude, axis) => {
      expect(largest(offsets.subarray(axis * size, (axis + 1) * size))).toBeCloseTo(magnitude, 6);
    });
  }
});

it('moves nothing to speak of where the magnitude is 0', () => {
  expect(largest(elasticOffsets({ scales: [0.1, 0.1, 0.1], magnitudes: [0, 0, 0], seed: SEED }, PATCH))).toBeCloseTo(1e-8, 12);
});

it('is the same for the same seed, another for another one and for another axis', () => {
  const parameters = { scales: [0.1, 0.1, 0.1], magnitudes: [1, 1, 1], seed: SEED };
  const cube: Triple = [16, 16, 16];
  const offsets = elasticOffsets(parameters, cube);
  expect(elasticOffsets(parameters, cube)).toEqual(offsets);
  for (let word = 0; word < 4; word++) {
    const seed = SEED.map((value, i) => (i === word ? value ^ 1 : value)) as ElasticParameters['seed'];
    expect(elasticOffsets({ ...parameters, seed }, cube)).not.toEqual(offsets);
  }
  expect(offsets.subarray(0, 4096)).not.toEqual(offsets.subarray(4096, 8192));
});

it('deforms the slices of a planar patch alike, in their plane', () => {
  const offsets = elasticOffsets({ scales: [0.1, 0.2], magnitudes: [1, 2], seed: SEED }, [5, 12, 14]);
  expect(offsets).toHaveLength(3 * 12 * 14);
  expect(largest(offsets.subarray(0, 168))).toBe(0);
  expect(largest(offsets.subarray(168, 336))).toBeCloseTo(1, 6);
  expect(largest(offsets.subarray(336))).toBeCloseTo(2, 6);
});

it('takes sizes of 1, 2 and 3', () => {
  for (const shape of [
    [1, 1, 1],
    [1, 2, 3],
    [3, 2, 1],
  ] as Triple[]) {
    const offsets = elasticOffsets({ scales: [0.05, 0.1, 0.2], magnitudes: [1, 1, 1], seed: SEED }, shape);
    expect(offsets.every(Number.isFinite)).toBe(true);
    expect(largest(offsets)).toBeCloseTo(1, 6);
  }
});

it('has the correlation of periodic Gaussian smoothing', () => {
  // Smoothed white noise correlates as exp(-distance² / (4 sigma²)), around the ends of an axis too.
  const length = 64;
  const sigma = 3;
  const shape: Triple = [1, length, length];
  const sums = new Float64Array(length);
  for (let seed = 0; seed < 30; seed++) {
    const offsets = elasticOffsets({ scales: [sigma / length, sigma / length], magnitudes: [1, 1], seed: [seed, 0, 0, 0] }, shape);
    const field = offsets.subarray(length * length, 2 * length * length);
    for (let y = 0; y < length; y++)
      for (let x = 0; x < length; x++)
        for (let distance = 0; distance < length; distance++)
          sums[distance] += field[y * length + x] * field[y * length + ((x + distance) % length)];
  }
  for (const distance of [1, 2, 3, 4, 6, 8, 20, 32, 60, 63]) {
    const around = Math.min(distance, length - distance);
    expect(Math.abs(sums[distance] / sums[0] - Math.exp(-(around ** 2) / (4 * sigma ** 2)))).toBeLessThan(0.06);
  }
});

it('leaves white noise as it is where the scale is 0', () => {
  const length = 64;
  const offsets = elasticOffsets({ scales: [0, 0], magnitudes: [1, 1], seed: SEED }, [1, length, length]).subarray(length * length);
  const field = offsets.subarray(0, length * length);
  const variance = field.reduce((sum, value) => sum + value * value, 0) / field.length;
  const beside = field.reduce((sum, value, i) => sum + value * field[(i + 1) % field.length], 0) / field.length;
  expect(Math.abs(beside / variance)).toBeLessThan(0.05);
  const kurtosis = field.reduce((sum, value) => sum + value ** 4, 0) / field.length / variance ** 2;
  expect(Math.abs(kurtosis - 3)).toBeLessThan(0.35);
});

it('keeps the middle of the deformed grid in the middle of the source', () => {
  const offsets = elasticOffsets({ scales: [0.2, 0.2, 0.2], magnitudes: [3, 3, 3], seed: SEED }, PATCH);
  const matrix = [0.9, 0.1, 0, -0.1, 1.2, 0.2, 0.3, 0, 0.7] as const;
  const placement = { source: [30, 33, 40] as Triple, patch: PATCH, axes: [0, 1, 2] as const, matrix, offsets };
  for (const nnunetCompat of [false, true]) {
    const grid = gridOf({ ...placement, nnunetCompat });
    const sum = [0, 0, 0];
    for (let z = 0; z < PATCH[0]; z++)
      for (let y = 0; y < PATCH[1]; y++) {
        grid.row(z, y);
        for (const axis of [0, 1, 2] as const) for (const at of grid.at[axis]) sum[axis] += at;
      }
    const count = PATCH[0] * PATCH[1] * PATCH[2];
    for (const axis of [0, 1, 2]) expect(sum[axis] / count).toBeCloseTo((placement.source[axis] - 1) / 2, nnunetCompat ? 5 : 10);
  }
});

it('is added before the matrix', () => {
  const patch: Triple = [1, 1, 2];
  const offsets = Float32Array.of(0, 0, 0, 0, 0.25, -0.25);
  const grid = new ExactGrid({ source: [1, 9, 9], patch, axes: [1, 2], matrix: [1, 0, 0, 0, 2, 0, 0, 0, 4], offsets });
  grid.row(0, 0);
  expect([...grid.at[2]]).toEqual([4 + 4 * (-0.5 + 0.25), 4 + 4 * (0.5 - 0.25)]);
});
