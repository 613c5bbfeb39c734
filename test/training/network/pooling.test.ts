import { expect, test } from 'vitest';
import { type Triple, triple, voxels } from '../../../src/common/geometry.ts';
import { maps, slice } from '../../../src/training/gpu/memory.ts';
import { meanPool, meanPoolGradient } from '../../../src/training/network/pooling.ts';
import { expectClose, noise, openGpu, runKernels } from '../gpu.ts';

const gpu = await openGpu();

/** Channel 1 and 2 of 3, and the block of each of its voxels. */
function* blocks(shape: Triple, stride: Triple): Generator<{ fine: number; coarse: number }> {
  const coarse = triple((axis) => shape[axis] / stride[axis]);
  for (let n = 0; n < 2; n++)
    for (let c = 0; c < 2; c++)
      for (let v = 0; v < voxels(shape); v++) {
        const at = [Math.floor(v / (shape[1] * shape[2])), Math.floor(v / shape[2]) % shape[1], v % shape[2]];
        const [z, y, x] = at.map((place, axis) => Math.floor(place / stride[axis]));
        yield {
          fine: (n * 3 + c + 1) * voxels(shape) + v,
          coarse: (n * 2 + c) * voxels(coarse) + (z * coarse[1] + y) * coarse[2] + x,
        };
      }
}

test.each<[string, Triple, Triple]>([
  ['3D', [4, 6, 10], [2, 2, 2]],
  ['thick slices', [3, 6, 4], [1, 3, 2]],
  ['2D', [1, 6, 8], [1, 2, 2]],
])('means of blocks, and their gradient: %s', async (_, shape, stride) => {
  const fine = maps('fine', 2, 3, shape);
  const coarse = maps(
    'coarse',
    2,
    2,
    triple((axis) => shape[axis] / stride[axis]),
  );
  const [fineGradient, coarseGradient] = [maps('fine gradient', 2, 3, shape), maps('coarse gradient', 2, 2, coarse.shape)];
  const x = Float32Array.from({ length: fine.memory.length }, (_, i) => noise(1)(i));
  const before = Float32Array.from({ length: fine.memory.length }, (_, i) => noise(2)(i));
  const given = Float32Array.from({ length: coarse.memory.length }, (_, i) => noise(3)(i));
  const [means, passed] = await runKernels(
    gpu,
    [
      meanPool('test', slice(fine, 1, 2), coarse, stride),
      meanPoolGradient('test', slice(fineGradient, 1, 2), coarseGradient, stride, { accumulate: true }),
    ],
    [
      [fine.memory, x],
      [fineGradient.memory, before],
      [coarseGradient.memory, given],
    ],
    coarse.memory,
    fineGradient.memory,
  );
  const expected = new Float64Array(coarse.memory.length);
  const gradient = Float64Array.from(before);
  for (const at of blocks(shape, stride)) {
    expected[at.coarse] += x[at.fine] / voxels(stride);
    gradient[at.fine] += given[at.coarse] / voxels(stride);
  }
  expectClose(means, expected, 1e-6);
  expectClose(passed, gradient, 1e-6);
});

test('a gradient that holds nothing yet is written, not added to', async () => {
  const [fineGradient, coarseGradient] = [maps('fine gradient', 1, 1, [2, 2, 2]), maps('coarse gradient', 1, 1, [1, 1, 1])];
  const kernels = [meanPoolGradient('test', fineGradient, coarseGradient, [2, 2, 2])];
  const contents = [
    [fineGradient.memory, Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8)],
    [coarseGradient.memory, Float32Array.of(4)],
  ] as const;
  const [found] = await runKernels(gpu, kernels, contents, fineGradient.memory);
  expect([...found]).toEqual(Array(8).fill(0.5));
});
