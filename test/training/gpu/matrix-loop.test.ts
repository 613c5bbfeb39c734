import { describe, expect, test } from 'vitest';
import { type Triple, voxels } from '../../../src/common/geometry.ts';
import type { ScalarType } from '../../../src/training/gpu/memory.ts';
import { maps } from '../../../src/training/gpu/memory.ts';
import { type MatrixUnits, type Tiling, tilingFor, tilingsFor } from '../../../src/training/gpu/tile.ts';
import { type Convolution, coarseShape } from '../../../src/training/network/convolution.ts';
import { Parameters } from '../../../src/training/network/parameters.ts';
import { gather, scatter, weightGradient } from '../../../src/training/network/products.ts';
import { noise, openMatrixGpu, runKernels } from '../gpu.ts';
import * as reference from '../reference/operations.ts';

const gpu = await openMatrixGpu();

interface Shape {
  batch: number;
  fine: number;
  coarse: number;
  shape: Triple;
  kernel: Triple;
  stride: Triple;
  transposed?: boolean;
  type?: ScalarType;
  tiling?: (units: MatrixUnits) => Tiling;
}

/** Several subgroups in both directions, several blocks of terms a step, tiles larger than the result. */
const large = (units: MatrixUnits): Tiling => ({
  loop: 'matrix',
  area: 16 * units.rows * units.columns,
  mostRows: 4 * units.rows,
  mostColumns: 8 * units.columns,
  depth: 2 * units.terms,
  own: [2 * units.rows, 2 * units.columns],
  wideLeft: true,
  units,
});

const SHAPES: Record<string, Shape> = {
  '3D, float16 maps': { batch: 1, fine: 2, coarse: 3, shape: [4, 5, 6], kernel: [3, 3, 3], stride: [1, 1, 1], type: 'f16' },
  '3D, odd sizes, stride 2': { batch: 2, fine: 3, coarse: 5, shape: [5, 7, 9], kernel: [3, 3, 3], stride: [2, 2, 2] },
  'anisotropic kernel and stride': { batch: 3, fine: 4, coarse: 2, shape: [3, 6, 7], kernel: [1, 3, 3], stride: [1, 2, 2], type: 'f16' },
  '2D': { batch: 2, fine: 1, coarse: 4, shape: [1, 9, 7], kernel: [1, 3, 3], stride: [1, 1, 1] },
  'kernel 1, stride 2': { batch: 1, fine: 3, coarse: 4, shape: [4, 5, 6], kernel: [1, 1, 1], stride: [2, 2, 2] },
  transposed: { batch: 2, fine: 3, coarse: 5, shape: [4, 6, 8], kernel: [2, 2, 2], stride: [2, 2, 2], transposed: true, type: 'f16' },
  'four terms at once': {
    batch: 2,
    fine: 4,
    coarse: 20,
    shape: [4, 6, 6],
    kernel: [3, 3, 3],
    stride: [1, 1, 1],
    type: 'f16',
    tiling: (units) => ({ ...tilingFor(gpu!, 'mixed'), units, wideLeft: true }),
  },
  'a box of one run': { batch: 2, fine: 8, coarse: 9, shape: [3, 4, 7], kernel: [3, 3, 3], stride: [1, 1, 1], type: 'f16' },
  'boxes, many ways beyond the maps': {
    batch: 2,
    fine: 20,
    coarse: 70,
    shape: [5, 6, 19],
    kernel: [3, 3, 3],
    stride: [1, 1, 1],
    type: 'f16',
    tiling: large,
  },
  'boxes of a stride': {
    batch: 2,
    fine: 10,
    coarse: 20,
    shape: [5, 7, 18],
    kernel: [3, 3, 3],
    stride: [2, 2, 2],
    type: 'f16',
    tiling: large,
  },
  'boxes of an uneven kernel': {
    batch: 1,
    fine: 16,
    coarse: 17,
    shape: [3, 5, 9],
    kernel: [1, 3, 5],
    stride: [1, 1, 2],
    type: 'f16',
  },
  'boxes in 2D': { batch: 3, fine: 17, coarse: 8, shape: [1, 11, 17], kernel: [1, 3, 3], stride: [1, 1, 1], tiling: large },
  'many channels': { batch: 1, fine: 20, coarse: 70, shape: [3, 4, 5], kernel: [3, 3, 3], stride: [1, 1, 1], tiling: large },
};

/** float16's unit roundoff: how far a number is rounded at most, as a part of it. */
const HALF = 2 ** -11;
/** Units may cut float32 sums off instead of rounding them. */
const SINGLE = 2 ** -23;

/**
 * Both factors of each product are rounded to float16, sums of n products to float32 n times, and the result once more where maps
 * are float16: so far a result may be from the exact one, in parts of the sum of the products' magnitudes.
 */
function expectWithinRounding(found: ArrayLike<number>, exact: ArrayLike<number>, magnitudes: ArrayLike<number>, terms: number): void {
  expect(found.length).toBe(exact.length);
  let worst = 0;
  for (let i = 0; i < exact.length; i++) worst = Math.max(worst, Math.abs(found[i] - exact[i]) / (magnitudes[i] + 1e-3));
  expect(worst).toBeLessThan(3 * HALF + HALF ** 2 + terms * SINGLE);
  // Rounded it was: float32 products would be far closer.
  expect(worst).toBeGreaterThan(2 ** -16);
}

const absolute = (numbers: Float64Array): Float64Array => numbers.map(Math.abs);

describe.runIf(gpu !== null).each(Object.entries(SHAPES))('on matrix units, %s', (_, given) => {
  const { batch, shape, kernel, stride, transposed = false, type = 'f32' } = given;
  const padding = kernel.map((size) => (transposed ? 0 : (size - 1) >> 1)) as Triple;
  const geometry = { kernel, stride, padding };
  const coarse = maps('coarse', batch, given.coarse, coarseShape(shape, kernel, stride, padding), { type });
  const fine = maps('fine', batch, given.fine, shape, { type });
  const tiling = (): Tiling => (given.tiling ? given.tiling(gpu!.units) : tilingFor(gpu!, 'mixed'));
  const convolution = (): Convolution => ({ name: 'test', fine, coarse, ...geometry, tiling: tiling() });
  const parameters = new Parameters();
  const weight = parameters.add('weight', [given.coarse, given.fine, ...kernel], { he: 1 });
  const bias = parameters.add('bias', [transposed ? given.fine : given.coarse], 'zeros');
  const numbers = Float64Array.from({ length: parameters.values.length }, (_, i) => Math.fround(noise(1)(i)));
  const weights = numbers.subarray(0, bias.offset);
  const biases = numbers.subarray(bias.offset);
  const x = reference.values(batch, given.fine, fine.shape, (i) => Math.fround(noise(2)(i)));
  const y = reference.values(batch, given.coarse, coarse.shape, (i) => Math.fround(noise(3)(i)));
  const [xs, ys] = [x, y].map((values) => ({ ...values, data: absolute(values.data) }));
  const contents = [[parameters.values, numbers] as const, [fine.memory, x.data] as const, [coarse.memory, y.data] as const];

  test('gathers', async () => {
    const own = transposed ? null : bias;
    const [found] = await runKernels(gpu!, gather(convolution(), weight, own), contents, coarse.memory);
    const exact = reference.gather(x, y, weights, own && biases, geometry).data;
    const magnitudes = reference.gather(xs, ys, absolute(weights), own && absolute(biases), geometry).data;
    expectWithinRounding(found, exact, magnitudes, given.fine * voxels(kernel));
  });

  test('scatters', async () => {
    const own = transposed ? bias : null;
    const [found] = await runKernels(gpu!, scatter(convolution(), weight, own), contents, fine.memory);
    const exact = reference.scatter(x, y, weights, own && biases, geometry).data;
    const magnitudes = reference.scatter(xs, ys, absolute(weights), own && absolute(biases), geometry).data;
    expectWithinRounding(found, exact, magnitudes, given.coarse * voxels(kernel));
  });

  test('gives the weight gradient', async () => {
    const kernels = weightGradient(convolution(), parameters.gradientOf(weight));
    const [found] = await runKernels(gpu!, kernels, contents, parameters.gradients);
    const [exact, magnitudes] = [reference.weightGradient(x, y, geometry), reference.weightGradient(xs, ys, geometry)];
    expectWithinRounding(found.subarray(0, weights.length), exact, magnitudes, batch * voxels(coarse.shape));
  });
});

/** Adapters that are not here. Their shaders are too large to compile on a CPU in a test: 20 s a kernel. */
const ADAPTERS: { of: string; units: MatrixUnits | null; memory: number }[] = [
  { of: 'NVIDIA', units: { rows: 16, columns: 16, terms: 16, subgroup: 32 }, memory: 49152 },
  { of: 'Apple', units: { rows: 8, columns: 8, terms: 8, subgroup: 32 }, memory: 32768 },
  { of: 'any GPU in float32', units: null, memory: 32768 },
];

/** Every way to make the products of such a layer. */
function productsOf(
  { units, memory }: (typeof ADAPTERS)[number],
  inputs: number,
  outputs: number,
  shape: Triple,
  kernel: Triple = [3, 3, 3],
) {
  const geometry = { kernel, stride: [1, 1, 1] as Triple, padding: kernel.map((size) => (size - 1) >> 1) as Triple };
  const type = units ? 'f16' : 'f32';
  const [fine, coarse] = [maps('fine', 2, inputs, shape, { type }), maps('coarse', 2, outputs, shape, { type })];
  const weight = new Parameters().add('weight', [outputs, inputs, ...kernel], { he: 1 });
  return tilingsFor({ software: false, units, limits: { maxComputeWorkgroupStorageSize: memory } }, 'mixed').flatMap((tiling, way) => {
    const convolution: Convolution = { name: 'test', fine, coarse, ...geometry, tiling };
    const kernels = [...gather(convolution, weight, null), ...scatter(convolution, weight, null), ...weightGradient(convolution, weight)];
    return kernels.map((kernel) => ({ way, ...kernel }));
  });
}

const LARGE_KERNELS: Triple[] = [
  [5, 5, 5],
  [7, 7, 5],
  [7, 9, 9],
  [9, 7, 9],
  [9, 3, 3],
  [3, 5, 10],
];

test.each(ADAPTERS.filter(({ units }) => units))('whether units of $of take boxes does not depend on the tiles', (adapter) => {
  for (const kernel of LARGE_KERNELS)
    for (const outputs of [16, 128, 320]) {
      const ways = Map.groupBy(productsOf(adapter, 32, outputs, [16, 16, 16], kernel), ({ way }) => way);
      const kinds = [...ways.values()].map((kernels) =>
        kernels.map(({ name, code }) => `${name} ${/[bB]lock: array/.exec(code)?.[0]}`).join(),
      );
      expect(new Set(kinds).size, `kernel ${kernel.join('x')}, ${outputs} outputs`).toBe(1);
      for (const { way, workgroupBytes, threads } of ways.get(0) ?? []) {
        expect(workgroupBytes, `${way}`).toBeLessThanOrEqual(adapter.memory);
        expect(threads).toBeLessThanOrEqual(256);
      }
    }
});

test.each(ADAPTERS)('tiles for units of $of fit its workgroups, whatever the layer', (adapter) => {
  for (const inputs of [1, 3, 32, 320])
    for (const outputs of [3, 32, 64, 320])
      for (const shape of [[16, 16, 16] as Triple, [1, 2, 3] as Triple])
        for (const { way, workgroupBytes, threads, code } of productsOf(adapter, inputs, outputs, shape)) {
          // Other ways than the usual one may be too large for some: they are left out there.
          if (way === 0) {
            expect(workgroupBytes).toBeLessThanOrEqual(adapter.memory);
            expect(threads).toBeLessThanOrEqual(256);
          }
          expect(Number.isInteger(threads / (adapter.units?.subgroup ?? 1))).toBe(true);
          expect(threads).toBeLessThanOrEqual(512);
          // Shares of threads and lines are whole.
          expect(code).not.toMatch(/\d\.\d+u|NaN|undefined/);
        }
});

test.runIf(gpu !== null).each(ADAPTERS)('shaders for units of $of are WGSL, whatever the way', async (adapter) => {
  const codes = [1, 320].flatMap((inputs) =>
    [3, 320].flatMap((outputs) => productsOf(adapter, inputs, outputs, [16, 16, 16]).map(({ code }) => code)),
  );
  for (const code of new Set(codes)) await gpu!.guarded(code, () => gpu!.device.createShaderModule({ code }));
});
