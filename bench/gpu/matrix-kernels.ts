import { type Triple, voxels } from '../../src/common/geometry.ts';
import type { Gpu } from '../../src/training/gpu/device.ts';
import type { Kernel } from '../../src/training/gpu/kernel.ts';
import { type Maps, type Memory, maps } from '../../src/training/gpu/memory.ts';
import type { Precision } from '../../src/training/gpu/precision.ts';
import { Program } from '../../src/training/gpu/program.ts';
import { showTiling, type Tiling, tilingFor, tilingsFor } from '../../src/training/gpu/tile.ts';
import { type Way, waysOf } from '../../src/training/gpu/tune.ts';
import type { Convolution } from '../../src/training/network/convolution.ts';
import { Parameters } from '../../src/training/network/parameters.ts';
import { gather, scatter, weightGradient } from '../../src/training/network/products.ts';
import * as reference from '../../test/training/reference/operations.ts';

/** How far products on the adapter's units are from loops in float64, in parts of what rounding to float16 allows: 1 or less is right. */
export interface KernelError {
  convolution: string;
  kernel: string;
  part_of_bound: number;
}

interface Layer {
  fine: number;
  coarse: number;
  shape: Triple;
  kernel: Triple;
  stride: Triple;
}

/** Of tiles larger and smaller than the result, with all kinds of strides; `tiny` for a CPU. */
function layers(tiny: boolean): Layer[] {
  const [a, b] = tiny ? [4, 6] : [32, 64];
  const shape: Triple = tiny ? [4, 5, 6] : [7, 10, 12];
  const even: Triple = tiny ? [4, 4, 6] : [6, 10, 12];
  return [
    { fine: 1, coarse: a, shape, kernel: [3, 3, 3], stride: [1, 1, 1] },
    { fine: a, coarse: b, shape, kernel: [3, 3, 3], stride: [1, 1, 1] },
    { fine: a, coarse: b, shape, kernel: [3, 3, 3], stride: [2, 2, 2] },
    { fine: a, coarse: b, shape, kernel: [1, 3, 3], stride: [1, 2, 2] },
    { fine: a, coarse: 3, shape, kernel: [1, 1, 1], stride: [1, 1, 1] },
    { fine: a, coarse: b, shape: even, kernel: [2, 2, 2], stride: [2, 2, 2] },
  ];
}

const HALF = 2 ** -11;
const SINGLE = 2 ** -23;

/** @param gpu with matrix units */
export async function matrixKernelErrors(gpu: Gpu, tiny: boolean): Promise<KernelError[]> {
  const errors: KernelError[] = [];
  for (const layer of layers(tiny)) errors.push(...(await errorsOf(gpu, layer)));
  return errors;
}

/** A layer with numbers in its memories, and the three products that it takes. */
function setUp({ fine: inputs, coarse: outputs, shape, kernel, stride }: Layer) {
  const padding = kernel.map((size) => (size - 1) >> 1) as Triple;
  const geometry = { kernel, stride, padding };
  const coarseShape = shape.map((size, axis) => Math.floor((size + 2 * padding[axis] - kernel[axis]) / stride[axis]) + 1) as Triple;
  const [fine, coarse] = [maps('fine', 2, inputs, shape), maps('coarse', 2, outputs, coarseShape)];
  const parameters = new Parameters();
  const weight = parameters.add('weight', [outputs, inputs, ...kernel], { he: 1 });
  const weights = random(parameters.values.length, 1);
  const [x, y] = [numbers(fine, 2), numbers(coarse, 3)];
  const contents: [Memory, Float64Array][] = [
    [parameters.values, weights],
    [fine.memory, x.data],
    [coarse.memory, y.data],
  ];
  // Exact, and the sum of the magnitudes that were added.
  const both = <T>(work: (x: reference.Values, y: reference.Values, w: Float64Array) => T): (() => [T, T]) => {
    const [ax, ay] = [x, y].map((values) => ({ ...values, data: values.data.map(Math.abs) }));
    return () => [work(x, y, weights), work(ax, ay, weights.map(Math.abs))];
  };
  const taps = voxels(kernel);
  const of = (tiling: Tiling): Convolution => ({ name: 'test', fine, coarse, ...geometry, tiling });
  const products = [
    {
      kernel: 'gather',
      make: (tiling: Tiling) => gather(of(tiling), weight, null),
      result: coarse.memory,
      terms: inputs * taps,
      expected: both((x, y, w) => reference.gather(x, y, w, null, geometry).data),
    },
    {
      kernel: 'scatter',
      make: (tiling: Tiling) => scatter(of(tiling), weight, null),
      result: fine.memory,
      terms: outputs * taps,
      expected: both((x, y, w) => reference.scatter(x, y, w, null, geometry).data),
    },
    {
      kernel: 'weight gradient',
      make: (tiling: Tiling) => weightGradient(of(tiling), parameters.gradientOf(weight)),
      result: parameters.gradients,
      terms: 2 * voxels(coarseShape),
      expected: both((x, y) => reference.weightGradient(x, y, geometry)),
    },
  ];
  const name = `${inputs} to ${outputs}, ${shape.join('x')}, kernel ${kernel.join('x')}, stride ${stride.join('x')}`;
  return { name, contents, products };
}

async function errorsOf(gpu: Gpu, layer: Layer): Promise<KernelError[]> {
  const { name: convolution, contents, products } = setUp(layer);
  const errors: KernelError[] = [];
  for (const { kernel, make, result, terms, expected } of products) {
    const found = await runOnce(gpu, make(tilingFor(gpu, 'mixed')), contents, result);
    const [exact, magnitudes] = expected();
    // Both factors are rounded, and sums of float32 terms as often as there are terms.
    const bound = 2 * HALF + HALF ** 2 + terms * SINGLE;
    let worst = 0;
    for (let i = 0; i < exact.length; i++) worst = Math.max(worst, Math.abs(found[i] - exact[i]) / (bound * magnitudes[i] + 1e-6));
    errors.push({ convolution, kernel, part_of_bound: worst });
  }
  return errors;
}

/** Products of some small layers, one of each kind of stride, each made in every way that the autotune chooses from: those whose bits depend on the way. There should be none. */
export interface SameBits {
  products: number;
  ways: number;
  differ: string[];
}

export async function sameBits(gpu: Gpu, tiny: boolean): Promise<SameBits> {
  const found: SameBits = { products: 0, ways: 0, differ: [] };
  const precisions: Precision[] = gpu.units === null ? ['float32'] : ['float32', 'mixed'];
  for (const precision of precisions)
    for (const layer of layers(tiny).slice(1, 4)) {
      const { name, contents, products } = setUp(layer);
      for (const { kernel, make, result } of products) {
        const [usual, ...others] = waysOf(gpu, make, tilingsFor(gpu, precision));
        const bits = async ({ kernels }: Way): Promise<Buffer> => Buffer.from((await runOnce(gpu, kernels, contents, result)).buffer);
        const expected = await bits(usual);
        found.products++;
        found.ways += 1 + others.length;
        for (const way of others)
          if (!expected.equals(await bits(way))) found.differ.push(`${precision}, ${name}, ${kernel}, ${showTiling(way.tiling)}`);
      }
    }
  return found;
}

async function runOnce(gpu: Gpu, kernels: readonly Kernel[], contents: [Memory, Float64Array][], result: Memory): Promise<Float32Array> {
  const used = new Set(kernels.flatMap(({ bindings }) => bindings.map(({ memory }) => memory)));
  for (const memory of used) memory.persistent = true;
  const program = await Program.compile(gpu, kernels);
  for (const [memory, values] of contents) if (used.has(memory)) program.write(memory, Float32Array.from(values));
  const encoder = gpu.device.createCommandEncoder();
  program.encode(encoder, kernels);
  gpu.device.queue.submit([encoder.finish()]);
  const found = await program.readFloats(result);
  gpu.check();
  program.destroy();
  return found;
}

function numbers({ batch, channels, shape }: Maps, seed: number): reference.Values {
  return { batch, channels, shape, data: random(batch * channels * voxels(shape), seed) };
}

/** -1 to 1, the same each time, float32. */
function random(length: number, seed: number): Float64Array {
  return Float64Array.from({ length }, (_, i) => {
    const x = Math.sin((i + 1) * 12.9898 + seed * 78.233) * 43758.5453;
    return Math.fround(2 * (x - Math.floor(x)) - 1);
  });
}
