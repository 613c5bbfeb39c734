import { afterAll, expect } from 'vitest';
import { Gpu } from '../../src/training/gpu/device.ts';
import type { Kernel } from '../../src/training/gpu/kernel.ts';
import type { Memory } from '../../src/training/gpu/memory.ts';
import { Program } from '../../src/training/gpu/program.ts';
import { GPU_TILING, type MatrixUnits, SOFTWARE_TILING, type Tiling } from '../../src/training/gpu/tile.ts';
import { Bounds } from './bounds.ts';

/** Both ways to make products. On a software Vulkan, shaders of large tiles take long to compile: one test has those. */
export const TILINGS = {
  direct: SOFTWARE_TILING,
  shared: { loop: 'shared', area: 64, mostRows: 8, mostColumns: 16, depth: 4, own: [2, 2] },
  wide: { loop: 'shared', area: 64, mostRows: 8, mostColumns: 16, depth: 8, own: [2, 2], wideLeft: true },
  gpu: GPU_TILING,
} satisfies Record<string, Tiling>;

/** One GPU a test file, closed at its end. Without an adapter tests fail: they are not skipped. */
export async function openGpu(): Promise<Gpu> {
  const gpu = await Gpu.open();
  afterAll(() => gpu.close());
  return gpu;
}

/** The GPU if it has matrix units. Few software Vulkans have some: where none is at hand this says so, and those tests do not run. */
export async function openMatrixGpu(): Promise<(Gpu & { units: MatrixUnits }) | null> {
  const gpu = await openGpu();
  if (gpu.units === null) console.error(`NOT RUN: tests of matrix units, as ${gpu.name} has none. See .ci/newer-mesa`);
  return gpu.units && (gpu as Gpu & { units: MatrixUnits });
}

/** Runs kernels once, on these contents of memories, and expects them to keep to their memories. All they use is kept, so that it can be read. */
export async function runKernels(
  gpu: Gpu,
  kernels: readonly Kernel[],
  contents: readonly (readonly [Memory, ArrayLike<number>])[],
  ...wanted: Memory[]
): Promise<Float32Array[]> {
  const kept = new Set(kernels.flatMap(({ bindings }) => bindings.map(({ memory }) => memory)));
  for (const memory of kept) memory.persistent = true;
  const bounds = new Bounds();
  bounds.watch(kernels);
  const program = await Program.compile(gpu, kernels);
  for (const [memory, numbers] of contents) if (kept.has(memory)) program.write(memory, numbersFor(memory, numbers));
  const encoder = gpu.device.createCommandEncoder();
  program.encode(encoder, kernels);
  gpu.device.queue.submit([encoder.finish()]);
  await gpu.done();
  await bounds.expectKept(program);
  const results: Float32Array[] = [];
  for (const memory of wanted) {
    const [contents] = await program.read(memory);
    results.push(memory.type === 'f16' ? Float32Array.from(new Float16Array(contents, 0, memory.length)) : new Float32Array(contents));
  }
  program.destroy();
  return results;
}

/** As the memory has them, in whole words. */
function numbersFor({ type }: Memory, numbers: ArrayLike<number>): Float32Array | Uint32Array {
  if (type !== 'f16') return Float32Array.from(numbers);
  const half = new Float16Array(2 * Math.ceil(numbers.length / 2));
  half.set(numbers);
  return new Uint32Array(half.buffer);
}

/** Numbers that look random and are the same each time: -1 to 1. */
export function noise(seed: number): (i: number) => number {
  return (i) => {
    const x = Math.sin((i + 1) * 12.9898 + seed * 78.233) * 43758.5453;
    return 2 * (x - Math.floor(x)) - 1;
  };
}

/** Equal, up to `relative` of the largest expected number. */
export function expectClose(found: ArrayLike<number>, expected: ArrayLike<number>, relative = 1e-5): void {
  expect(found.length).toBe(expected.length);
  let largest = 0;
  let worst = 0;
  let at = 0;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]));
    const difference = Math.abs(found[i] - expected[i]);
    if (!(difference <= worst)) [worst, at] = [difference, i];
  }
  expect(worst, `element ${at} is ${found[at]}, not ${expected[at]}`).toBeLessThanOrEqual(relative * Math.max(largest, 1e-3));
}
