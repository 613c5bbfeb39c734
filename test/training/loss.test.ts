import { describe, expect, test } from 'vitest';
import { type Triple, voxels } from '../../src/common/geometry.ts';
import { maps, memory } from '../../src/training/gpu/memory.ts';
import { Program } from '../../src/training/gpu/program.ts';
import { countKernel, type Loss, lossKernels } from '../../src/training/loss.ts';
import { Parameters } from '../../src/training/network/parameters.ts';
import { learningRate, optimise, RECIPE } from '../../src/training/optimiser.ts';
import { expectClose, noise, openGpu, runKernels } from './gpu.ts';
import * as reference from './reference/operations.ts';

const gpu = await openGpu();

function setUp(batch: number, classes: number, shape: Triple, options: reference.LossKind) {
  const count = batch * voxels(shape);
  const labels = Int16Array.from({ length: count }, (_, i) => Math.min(classes - 1, Math.floor((noise(9)(i) + 1) * 0.5 * classes)));
  if (options.ignore !== null) for (let i = 0; i < count; i += 5) labels[i] = options.ignore;
  for (let i = 0; i < count; i += 7) labels[i] = -1;
  const logits = maps('logits', batch, classes, shape, { persistent: true });
  const x = reference.values(batch, classes, shape, (i) => Math.fround(3 * noise(10)(i)));
  const place = memory('labels', Math.ceil(count / 2), { type: 'u32', persistent: true });
  const loss: Loss = { name: 'test', logits, labels: place, weight: 1, ...options };
  const packed = new Int16Array(2 * place.length);
  packed.set(labels);
  const step = { control: memory('control', 2, { persistent: true }), history: memory('history', 8, { persistent: true }) };
  return { loss, x, labels, packed, step };
}

/** Runs the kernels of a loss, and compares with plain loops. */
async function checkLoss(batch: number, classes: number, shape: Triple, options: reference.LossKind): Promise<void> {
  const { loss, x, labels, packed, step } = setUp(batch, classes, shape, options);
  const gradient = maps('gradient', batch, classes, shape, { persistent: true });
  const kernels = lossKernels(loss, step, true, gradient);
  const program = await Program.compile(gpu, kernels);
  program.write(loss.logits.memory, Float32Array.from(x.data));
  program.write(loss.labels, packed);
  program.write(step.control, Float32Array.of(0, 2));
  const encoder = gpu.device.createCommandEncoder();
  program.encode(encoder, kernels);
  gpu.device.queue.submit([encoder.finish()]);
  const expected = reference.loss(x, labels, options);
  expect((await program.readFloats(step.history))[4]).toBeCloseTo(expected.value, 5);
  expectClose(await program.readFloats(gradient.memory), expected.gradient.data, 1e-4);
  program.destroy();
}

describe.each([
  { batchDice: false, ignore: null },
  { batchDice: true, ignore: null },
  { batchDice: true, ignore: 3 },
])('with %o', (options) => {
  test.each<[string, number, number, Triple]>([
    ['3D, odd sizes', 3, 3, [3, 5, 7]],
    ['2D, two classes', 2, 2, [1, 7, 9]],
    ['25 classes', 1, 25, [4, 5, 6]],
    ['more voxels than one group sums', 2, 3, [13, 14, 15]],
  ])('the loss and its gradient are those of the reference: %s', (_, batch, classes, shape) => checkLoss(batch, classes, shape, options));
});

test.each<[string, number, Triple, reference.LossKind]>([
  ['overlapping', 3, [3, 5, 7], { batchDice: false, ignore: null, regions: [[1, 2], [2], [0, 1]] }],
  ['with an ignore label, in several groups', 2, [13, 14, 15], { batchDice: true, ignore: 3, regions: [[1, 2], [300]] }],
])('regions %s: their loss and its gradient are those of the reference', (_, classes, shape, options) =>
  checkLoss(2, classes, shape, options),
);

test.each<reference.LossKind>([
  { batchDice: true, ignore: 2 },
  { batchDice: false, ignore: null, regions: [[1, 2], [2], [0]] },
  { batchDice: true, ignore: 2, regions: [[1], [0, 1], [0]] },
])('the gradient of the reference is the slope of its loss: %o', (options) => {
  const { x, labels } = setUp(2, 3, [2, 3, 3], options);
  const { gradient } = reference.loss(x, labels, options);
  for (const i of [0, 5, 17, 30, 50, 77]) {
    const at = (step: number): number => {
      const moved = { ...x, data: x.data.slice() };
      moved.data[i] += step;
      return reference.loss(moved, labels, options).value;
    };
    expect((at(1e-5) - at(-1e-5)) / 2e-5).toBeCloseTo(gradient.data[i], 7);
  }
});

test('a batch in which nothing counts has loss and gradient without NaN', async () => {
  const { loss, x, packed, step } = setUp(1, 2, [2, 2, 2], { batchDice: true, ignore: null });
  packed.fill(-1);
  const gradient = maps('gradient', 1, 2, [2, 2, 2]);
  const kernels = lossKernels(loss, step, true, gradient);
  const labels = new Float32Array(packed.buffer);
  const [history, found] = await runKernels(gpu, kernels, [[loss.logits.memory, x.data]], step.history, gradient.memory);
  expect(labels.length).toBe(4);
  expect(Number.isFinite(history[0])).toBe(true);
  expect(found.every(Number.isFinite)).toBe(true);
});

test('counts of right, wrong and missed voxels are exact and add up', async () => {
  const { loss, x, labels, packed } = setUp(2, 3, [3, 5, 7], { batchDice: true, ignore: null });
  const counts = memory('counts', 9, { type: 'u32', persistent: true });
  const count = countKernel(loss, counts);
  const program = await Program.compile(gpu, [count]);
  program.write(loss.logits.memory, Float32Array.from(x.data));
  program.write(loss.labels, packed);
  const encoder = gpu.device.createCommandEncoder();
  program.encode(encoder, [count, count]);
  gpu.device.queue.submit([encoder.finish()]);
  const expected = new Uint32Array(9);
  const area = 105;
  labels.forEach((truth, i) => {
    if (truth < 0) return;
    const values = [0, 1, 2].map((c) => x.data[(Math.floor(i / area) * 3 + c) * area + (i % area)]);
    const best = values.indexOf(Math.max(...values));
    if (best === truth) expected[3 * best] += 2;
    else {
      expected[3 * best + 1] += 2;
      expected[3 * truth + 2] += 2;
    }
  });
  expect(new Uint32Array((await program.read(counts))[0])).toEqual(expected);
  program.destroy();
});

test.each([1e-3, 10])('the optimiser steps as SGD with Nesterov momentum, decay and clipping: gradients of %d', async (size) => {
  const length = 20000;
  const parameters = new Parameters();
  parameters.add('all', [length], { he: 1 });
  const step = { control: memory('control', 2), history: memory('history', 2) };
  const fill = (seed: number, scale: number): Float64Array => Float64Array.from({ length }, (_, i) => Math.fround(scale * noise(seed)(i)));
  const [p, g, v] = [fill(1, 1), fill(2, size), fill(3, 0.1)];
  const [found, momentum, history] = await runKernels(
    gpu,
    optimise(parameters, length, step),
    [
      [parameters.values, p],
      [parameters.gradients, g],
      [parameters.momentum, v],
      [step.control, [0.01, 0]],
    ],
    parameters.values,
    parameters.momentum,
    step.history,
  );
  const norm = Math.hypot(...g);
  expect(history[1] / norm).toBeCloseTo(1, 5);
  const clip = Math.min(1, RECIPE.clip / (norm + 1e-6));
  const gradient = g.map((value, i) => value * clip + 3e-5 * p[i]);
  const velocity = v.map((value, i) => 0.99 * value + gradient[i]);
  expectClose(momentum, velocity);
  expectClose(
    found,
    p.map((value, i) => value - 0.01 * (gradient[i] + 0.99 * velocity[i])),
  );
});

test('the learning rate falls as nnU-Net lets it', () => {
  expect(learningRate(0, 1000)).toBe(0.01);
  expect(learningRate(500, 1000)).toBeCloseTo(0.01 * 0.5 ** 0.9, 12);
});
