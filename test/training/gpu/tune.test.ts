import { describe, expect, test } from 'vitest';
import type { Triple } from '../../../src/common/geometry.ts';
import { type Kernel, kernel, write } from '../../../src/training/gpu/kernel.ts';
import { maps, memory } from '../../../src/training/gpu/memory.ts';
import type { Precision } from '../../../src/training/gpu/precision.ts';
import type { Products } from '../../../src/training/gpu/product.ts';
import { showTiling, type Tiling, tilingsFor } from '../../../src/training/gpu/tile.ts';
import { type Stopwatch, tune } from '../../../src/training/gpu/tune.ts';
import { type Convolution, coarseShape } from '../../../src/training/network/convolution.ts';
import { Parameters } from '../../../src/training/network/parameters.ts';
import { PART_STEP } from '../../../src/training/network/product-weight-gradient.ts';
import { gather, scatter, weightGradient } from '../../../src/training/network/products.ts';
import { noise, openGpu, runKernels, TILINGS } from '../gpu.ts';

const gpu = await openGpu();
const H100 = {
  software: false,
  units: { rows: 16, columns: 16, terms: 16, subgroup: 32 },
  limits: { maxComputeWorkgroupStorageSize: 49152 },
};

/** Ways that a software Vulkan compiles in a moment. */
const WAYS: Record<string, readonly Tiling[]> = {
  'in float32': [
    ...tilingsFor({ ...gpu, software: true, units: null, limits: gpu.limits }, 'float32'),
    TILINGS.shared,
    TILINGS.wide,
    { ...TILINGS.shared, area: 32, mostRows: 4, depth: 8, own: [4, 4] },
  ],
  ...(gpu.units && { 'on matrix units': tilingsFor({ ...gpu, software: true, units: gpu.units, limits: gpu.limits }, 'mixed') }),
};

describe.each(Object.entries(WAYS))('%s', (_, tilings) => {
  const shape: Triple = [8, 9, 10];
  const geometry = { kernel: [3, 3, 3] as Triple, stride: [1, 2, 2] as Triple, padding: [1, 1, 1] as Triple };
  const fine = maps('fine', 2, 4, shape);
  const coarse = maps('coarse', 2, 9, coarseShape(shape, geometry.kernel, geometry.stride, geometry.padding));
  const parameters = new Parameters();
  const weight = parameters.add('weight', [9, 4, 3, 3, 3], { he: 1 });
  const results: [string, (of: Convolution) => Kernel[], typeof coarse.memory][] = [
    ['gathers', (of) => gather(of, weight, null), coarse.memory],
    ['scatters', (of) => scatter(of, weight, null), fine.memory],
    ['gives the weight gradient', (of) => weightGradient(of, parameters.gradientOf(weight)), parameters.gradients],
  ];

  test.each(results)('whatever the tile is, it %s with the same bits', async (_, make, result) => {
    const found: Buffer[] = [];
    for (const tiling of tilings) {
      const contents = [
        [parameters.values, Float32Array.from({ length: parameters.values.length }, (_, i) => noise(1)(i))] as const,
        [fine.memory, Float32Array.from({ length: fine.memory.length }, (_, i) => noise(2)(i))] as const,
        [coarse.memory, Float32Array.from({ length: coarse.memory.length }, (_, i) => noise(3)(i))] as const,
      ];
      const [numbers] = await runKernels(gpu, make({ name: 'test', fine, coarse, ...geometry, tiling }), contents, result);
      expect(numbers.some((value) => value !== 0)).toBe(true);
      found.push(Buffer.from(numbers.buffer));
    }
    for (const bytes of found) expect(bytes.equals(found[0])).toBe(true);
  });
});

test.each<Precision>(['float32', 'mixed'])('ways of a GPU in %s: their parts of sums are the same, their names are not', (precision) => {
  const tilings = tilingsFor(H100, precision);
  for (const { depth } of tilings) expect(PART_STEP % depth).toBe(0);
  expect(new Set(tilings.map(showTiling)).size).toBe(tilings.length);
});

/** A product whose ways are told apart by what they write. */
function product(flops: number, change: Partial<Kernel> = {}): (tiling: Tiling) => Kernel[] {
  const result = memory('result', 4);
  return ({ area }) => [
    {
      ...kernel({
        name: String(area),
        bindings: [write('result', result)],
        threads: 4,
        groups: 1,
        flops,
        body: `result[THREAD] = ${area}.0;`,
      }),
      ...change,
    },
  ];
}

const ways = [1, 2, 3].map((area) => ({ ...TILINGS.direct, area }));

/** Milliseconds of each way, sample by sample; the last one stays. */
function watch(times: Record<string, number[]>, order: string[] = []): Stopwatch {
  const samples = structuredClone(times);
  return async (_gpu, _program, [{ name }], runs) => {
    order.push(name);
    const all = samples[name];
    return runs * (all.length > 1 ? (all.shift() as number) : all[0]);
  };
}

test('the best median wins, however bad the first runs and one sample are', async () => {
  const products: Products = new Map([['a', product(1)]]);
  const order: string[] = [];
  const stopwatch = watch({ 1: [9, 5, 5], 2: [90, 4, 4, 40, 4], 3: [1, 9, 1, 9] }, order);
  const { chosen, left } = await tune(gpu, products, ways, { seconds: 60, stopwatch });
  expect(chosen.get('a')?.area).toBe(2);
  expect(left).toBe(0);
  // Twice each to begin with, then in turn.
  expect(order).toEqual(['1', '1', '2', '2', '3', '3', '1', '2', '3', '1', '2', '3', '1', '2', '3']);
});

test.each([
  [9.8, 1],
  [9.6, 3],
])('beside 10 ms of the usual way, %d ms are taken by way %i', async (milliseconds, way) => {
  const stopwatch = watch({ 1: [10], 2: [11], 3: [milliseconds] });
  const { chosen } = await tune(gpu, new Map([['a', product(1)]]), ways, { seconds: 60, stopwatch });
  expect(chosen.get('a')?.area).toBe(way);
});

test('what multiplies most comes first; when time is over, others keep the usual way', async () => {
  const products: Products = new Map([
    ['small', product(1)],
    ['large', product(1000)],
    ['middle', product(10)],
  ]);
  const measured: string[] = [];
  const stopwatch: Stopwatch = async (_gpu, _program, [{ flops }]) => {
    measured.push(String(flops));
    await new Promise((resolve) => setTimeout(resolve, 40));
    return 1;
  };
  const { chosen, left } = await tune(gpu, products, ways, { seconds: 0.1, stopwatch });
  expect([...chosen.keys()]).toEqual(['large']);
  expect(new Set(measured)).toEqual(new Set(['1000']));
  expect(left).toBe(2);
  expect(await tune(gpu, products, ways, { seconds: 0 })).toEqual({ chosen: new Map(), left: 3 });
});

test('ways that exceed a limit or are the same are not measured', async () => {
  const order: string[] = [];
  const fits = product(1);
  const greedy = product(1, { workgroupBytes: 1e9 });
  const crowded = product(1, { threads: 1e9 });
  const products: Products = new Map([
    ['one fits', (tiling: Tiling) => (tiling.area === 2 ? fits : greedy)(tiling)],
    ['two fit', (tiling: Tiling) => (tiling.area === 3 ? crowded : fits)(tiling)],
    ['all the same', () => fits(ways[0])],
  ]);
  const { chosen } = await tune(gpu, products, ways, { seconds: 60, stopwatch: watch({ 1: [2], 2: [1] }, order) });
  expect([...chosen].map(([name, { area }]) => [name, area])).toEqual([
    ['one fits', 2],
    ['two fit', 2],
    ['all the same', 1],
  ]);
  expect(new Set(order)).toEqual(new Set(['1', '2']));
});

test('where a shader does not compile, the usual way is left to tell of it', async () => {
  const products: Products = new Map([
    ['broken', product(1, { code: 'no shader' })],
    ['whole', product(1)],
  ]);
  const broken = products.get('broken') as (tiling: Tiling) => Kernel[];
  products.set('broken', (tiling) => broken(tiling).map((kernel) => ({ ...kernel, code: `${kernel.code} ${tiling.area}` })));
  const { chosen, left } = await tune(gpu, products, ways, { seconds: 60 });
  expect([...chosen.keys()]).toEqual(['whole']);
  expect(left).toBe(1);
  gpu.check();
});
