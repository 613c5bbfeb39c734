import { describe, expect, test } from 'vitest';
import { type Triple, voxels } from '../../../src/common/geometry.ts';
import { maps, slice } from '../../../src/training/gpu/memory.ts';
import { type Convolution, coarseShape } from '../../../src/training/network/convolution.ts';
import { Parameters } from '../../../src/training/network/parameters.ts';
import { gather, scatter, weightGradient } from '../../../src/training/network/products.ts';
import { expectClose, noise, openGpu, runKernels, TILINGS } from '../gpu.ts';
import * as reference from '../reference/operations.ts';

const gpu = await openGpu();

interface Shape {
  batch: number;
  fine: number;
  coarse: number;
  shape: Triple;
  kernel: Triple;
  stride: Triple;
  transposed?: boolean;
}

const SHAPES: Record<string, Shape> = {
  '3D': { batch: 1, fine: 2, coarse: 3, shape: [4, 5, 6], kernel: [3, 3, 3], stride: [1, 1, 1] },
  '3D, odd sizes, stride 2': { batch: 2, fine: 3, coarse: 5, shape: [5, 7, 9], kernel: [3, 3, 3], stride: [2, 2, 2] },
  'anisotropic kernel and stride': { batch: 3, fine: 4, coarse: 2, shape: [3, 6, 7], kernel: [1, 3, 3], stride: [1, 2, 2] },
  '2D': { batch: 2, fine: 1, coarse: 4, shape: [1, 9, 7], kernel: [1, 3, 3], stride: [1, 1, 1] },
  '1x1x1': { batch: 2, fine: 6, coarse: 3, shape: [3, 4, 5], kernel: [1, 1, 1], stride: [1, 1, 1] },
  'kernel 1, stride 2': { batch: 1, fine: 3, coarse: 4, shape: [4, 5, 6], kernel: [1, 1, 1], stride: [2, 2, 2] },
  'more channels than a tile has': { batch: 1, fine: 20, coarse: 70, shape: [2, 3, 3], kernel: [3, 3, 3], stride: [1, 1, 1] },
  transposed: { batch: 2, fine: 3, coarse: 5, shape: [4, 6, 8], kernel: [2, 2, 2], stride: [2, 2, 2], transposed: true },
  'transposed, anisotropic': { batch: 3, fine: 2, coarse: 4, shape: [3, 6, 4], kernel: [1, 2, 2], stride: [1, 2, 2], transposed: true },
};

const SHARED = ['3D, odd sizes, stride 2', '2D', 'transposed'];
/** Terms by fours in the gather, the weight gradient, or both. */
const WIDE = ['anisotropic kernel and stride', '1x1x1', 'transposed', 'more channels than a tile has'];
const TESTS = [
  ...Object.keys(SHAPES).map((name) => ['direct', name] as const),
  ...SHARED.map((name) => ['shared', name] as const),
  ...WIDE.map((name) => ['wide', name] as const),
  ['gpu', 'more channels than a tile has'] as const,
];

describe.each(TESTS)('with %s tiles', (tiles, name) => {
  const tiling = TILINGS[tiles];
  const given = SHAPES[name];
  describe(name, () => {
    const { batch, shape, kernel, stride, transposed = false } = given;
    const padding = kernel.map((size) => (transposed ? 0 : (size - 1) >> 1)) as Triple;
    const geometry = { kernel, stride, padding };
    const coarse = maps('coarse', batch, given.coarse, coarseShape(shape, kernel, stride, padding));
    const fine = maps('fine', batch, given.fine, shape);
    const convolution: Convolution = { name: 'test', fine, coarse, ...geometry, tiling };
    const parameters = new Parameters();
    const weight = parameters.add('weight', [given.coarse, given.fine, ...kernel], { he: 1 });
    const bias = parameters.add('bias', [transposed ? given.fine : given.coarse], 'zeros');
    const numbers = Float64Array.from({ length: parameters.values.length }, (_, i) => Math.fround(noise(1)(i)));
    const weights = numbers.subarray(0, bias.offset);
    const biases = numbers.subarray(bias.offset);
    const x = reference.values(batch, given.fine, fine.shape, (i) => Math.fround(noise(2)(i)));
    const y = reference.values(batch, given.coarse, coarse.shape, (i) => Math.fround(noise(3)(i)));
    const contents = [[parameters.values, numbers] as const, [fine.memory, x.data] as const, [coarse.memory, y.data] as const];

    test('gathers', async () => {
      const withBias = transposed ? null : bias;
      const [found] = await runKernels(gpu, gather(convolution, weight, withBias), contents, coarse.memory);
      expectClose(found, reference.gather(x, y, weights, withBias && biases, geometry).data);
    });

    test('scatters', async () => {
      const withBias = transposed ? bias : null;
      const [found] = await runKernels(gpu, scatter(convolution, weight, withBias), contents, fine.memory);
      expectClose(found, reference.scatter(x, y, weights, withBias && biases, geometry).data);
    });

    test('gives the weight gradient', async () => {
      const gradient = parameters.gradientOf(weight);
      const [found] = await runKernels(gpu, weightGradient(convolution, gradient), contents, parameters.gradients);
      expectClose(found.subarray(0, weights.length), reference.weightGradient(x, y, geometry));
      expect(found.subarray(weights.length).every((value) => value === 0)).toBe(true);
    });
  });
});

test.each([3, 4])('long sums are made in parts, all of whose terms count: %i channels', async (channels) => {
  const fine = maps('fine', 2, 2, [12, 14, 15]);
  const coarse = maps('coarse', 2, channels, [12, 14, 15]);
  const geometry = { kernel: [3, 3, 3] as Triple, stride: [1, 1, 1] as Triple, padding: [1, 1, 1] as Triple };
  const parameters = new Parameters();
  const weight = parameters.gradientOf(parameters.add('weight', [channels, 2, 3, 3, 3], { he: 1 }));
  const kernels = weightGradient({ name: 'test', fine, coarse, ...geometry, tiling: TILINGS.direct }, weight);
  expect(kernels.length).toBe(2);
  const x = reference.values(2, 2, fine.shape, (i) => Math.fround(noise(4)(i)));
  const y = reference.values(2, channels, fine.shape, (i) => Math.fround(noise(5)(i)));
  const [found] = await runKernels(
    gpu,
    kernels,
    [
      [fine.memory, x.data],
      [coarse.memory, y.data],
    ],
    parameters.gradients,
  );
  expectClose(found, reference.weightGradient(x, y, geometry), 1e-4);
});

test('works on some channels of a memory, and adds where it is told to', async () => {
  const wide = maps('wide', 2, 5, [2, 3, 4]);
  const fine = slice(wide, 3, 2);
  const coarse = maps('coarse', 2, 3, [2, 3, 4]);
  const geometry = { kernel: [3, 3, 3] as Triple, stride: [1, 1, 1] as Triple, padding: [1, 1, 1] as Triple };
  const parameters = new Parameters();
  const weight = parameters.add('weight', [3, 2, 3, 3, 3], { he: 1 });
  const weights = Float64Array.from({ length: 162 }, (_, i) => Math.fround(noise(6)(i)));
  const before = Float64Array.from({ length: 240 }, (_, i) => Math.fround(noise(7)(i)));
  const y = reference.values(2, 3, coarse.shape, (i) => Math.fround(noise(8)(i)));
  const kernels = scatter({ name: 'test', fine, coarse, ...geometry, tiling: TILINGS.direct }, weight, null, { accumulate: true });
  const [found] = await runKernels(
    gpu,
    kernels,
    [
      [wide.memory, before],
      [coarse.memory, y.data],
      [parameters.values, weights],
    ],
    wide.memory,
  );
  const added = reference.scatter(reference.values(2, 2, fine.shape), y, weights, null, geometry).data;
  const area = voxels(fine.shape);
  const expected = before.map((value, i) => {
    const channel = Math.floor(i / area) % 5;
    return channel < 3 ? value : value + added[(Math.floor(i / (5 * area)) * 2 + channel - 3) * area + (i % area)];
  });
  expectClose(found, expected);
});
