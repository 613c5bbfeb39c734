import { describe, expect, test } from 'vitest';
import { patchOf, voxels } from '../../../src/common/geometry.ts';
import type { Network } from '../../../src/plans/network.ts';
import { Unet } from '../../../src/training/network/unet.ts';
import { TrainingStep } from '../../../src/training/training-step.ts';
import { flatNetwork } from '../../fixtures/networks.ts';
import { expectClose, noise, openGpu, TILINGS } from '../gpu.ts';
import * as reference from '../reference/operations.ts';
import { ReferenceUnet } from '../reference/unet.ts';

const gpu = await openGpu();

const flat = flatNetwork([3, 4]);
const deep: Network = {
  kind: 'plain',
  features: [2, 3, 4],
  strides: [
    [1, 1, 1],
    [1, 2, 2],
    [2, 2, 2],
  ],
  kernels: [
    [1, 3, 3],
    [3, 3, 3],
    [3, 3, 3],
  ],
  encoder: [1, 2, 1],
  decoder: [1, 2],
};

describe.each([
  { name: '2D', network: flat, patchSize: [8, 12], batch: 3, channels: 2, heads: 1, precision: 'float32' as const },
  {
    name: '3D, anisotropic, deep supervision',
    network: deep,
    patchSize: [4, 8, 12],
    batch: 2,
    channels: 1,
    heads: 2,
    precision: 'float32' as const,
  },
  { name: '2D, mixed precision', network: flat, patchSize: [8, 12], batch: 3, channels: 2, heads: 1, precision: 'mixed' as const },
])('$name', ({ network, patchSize, batch, channels, heads, precision }) => {
  test('a whole step is that of plain loops in float64', async () => {
    const classes = 3;
    const step = await TrainingStep.create(gpu, {
      network,
      patchSize,
      batch,
      channels,
      classes,
      heads,
      precision,
      tiling: TILINGS.direct,
      batchDice: true,
      ignore: null,
    });
    const { unet } = step;
    const values = unet.parameters.initial(5);
    // Biases and norms begin at 0 and 1, which would hide mistakes.
    for (let i = 0; i < values.length; i++) values[i] += 0.1 * noise(11)(i);
    step.load(values, null);
    const shape = patchOf(patchSize);
    const x = reference.values(batch, channels, shape, (i) => Math.fround(noise(12)(i)));
    const labels = unet.logits.map((logits, scale) =>
      Int16Array.from({ length: batch * voxels(logits.shape) }, (_, i) => Math.floor((noise(13 + scale)(i) + 1) * 1.5)),
    );
    step.upload(Float32Array.from(x.data), labels);
    step.train(0.01);
    const [{ loss, gradientNorm }] = await step.results();
    const found = await step.save();

    const expected = new ReferenceUnet(network, x, unet.parameters.list, values);
    const weights = heads === 1 ? [1] : [2 / 3, 1 / 3];
    const losses = weights.map((_, scale) => reference.loss(expected.logits[scale], labels[scale], { batchDice: true, ignore: null }));
    const value = losses.reduce((sum, each, scale) => sum + weights[scale] * each.value, 0);
    const tolerance = precision === 'float32' ? 1e-4 : 2e-2;
    expect(Math.abs(loss - value)).toBeLessThan(tolerance * Math.abs(value));
    expected.backward(losses.map(({ gradient }, scale) => ({ ...gradient, data: gradient.data.map((g) => weights[scale] * g) })));

    let squares = 0;
    const gradients = new Float64Array(values.length);
    for (const { name, offset } of unet.parameters.list)
      expected.gradients.get(name)?.forEach((g, i) => {
        gradients[offset + i] = g;
        squares += g * g;
      });
    expect(Math.abs(gradientNorm / Math.sqrt(squares) - 1)).toBeLessThan(tolerance);
    const clip = Math.min(1, 12 / (Math.sqrt(squares) + 1e-6));
    for (const { name, offset, shape } of unet.parameters.list) {
      const trained = offset < unet.trained;
      const each = Array.from({ length: voxels(shape) }, (_, i) => offset + i);
      const step = each.map((i) => (trained ? gradients[i] * clip + 3e-5 * values[i] : 0));
      // A bias before a norm has no gradient; loops in float64 find 1e-17.
      expectClose(
        each.map((i) => found.momentum[i]),
        step,
        precision === 'float32' ? 1e-3 : 0.1,
      );
      expectClose(
        each.map((i) => found.values[i]),
        each.map((i, k) => values[i] - 0.01 * 1.99 * step[k]),
        precision === 'float32' ? 1e-4 : 1e-2,
      );
      expect(name).toBeTruthy();
    }
    step.destroy();
  });
});

test('the gradients of the plain loops are slopes of their loss', () => {
  const step = new Unet({ network: deep, patchSize: [2, 4, 4], batch: 1, channels: 1, classes: 2, heads: 2, tiling: TILINGS.direct });
  const values = step.parameters.initial(3).map((value, i) => value + 0.1 * noise(1)(i));
  const x = reference.values(1, 1, [2, 4, 4], noise(2));
  const labels = Int16Array.from({ length: 32 }, (_, i) => i % 2);
  const run = (numbers: Float64Array) => {
    const unet = new ReferenceUnet(deep, x, step.parameters.list, numbers);
    return { unet, loss: reference.loss(unet.logits[0], labels, { batchDice: false, ignore: null }) };
  };
  const numbers = Float64Array.from(values);
  const { unet, loss } = run(numbers);
  unet.backward([loss.gradient]);
  for (const { name, offset } of step.parameters.list) {
    const gradient = unet.gradients.get(name);
    if (gradient === undefined) continue;
    const at = (delta: number): number => {
      const moved = numbers.slice();
      moved[offset] += delta;
      return run(moved).loss.value;
    };
    expect((at(1e-6) - at(-1e-6)) / 2e-6, name).toBeCloseTo(gradient[0], 6);
  }
});

test('names and shapes of parameters are those of nnU-Net', () => {
  const unet = new Unet({ network: flat, patchSize: [8, 8], batch: 1, channels: 1, classes: 2, heads: 1, tiling: TILINGS.direct });
  expect(Object.fromEntries(unet.parameters.list.map(({ name, shape }) => [name, shape]))).toEqual({
    'encoder.stages.0.0.convs.0.conv.weight': [3, 1, 3, 3],
    'encoder.stages.0.0.convs.0.conv.bias': [3],
    'encoder.stages.0.0.convs.0.norm.weight': [3],
    'encoder.stages.0.0.convs.0.norm.bias': [3],
    'encoder.stages.1.0.convs.0.conv.weight': [4, 3, 3, 3],
    'encoder.stages.1.0.convs.0.conv.bias': [4],
    'encoder.stages.1.0.convs.0.norm.weight': [4],
    'encoder.stages.1.0.convs.0.norm.bias': [4],
    'decoder.transpconvs.0.weight': [4, 3, 2, 2],
    'decoder.transpconvs.0.bias': [3],
    'decoder.stages.0.convs.0.conv.weight': [3, 6, 3, 3],
    'decoder.stages.0.convs.0.conv.bias': [3],
    'decoder.stages.0.convs.0.norm.weight': [3],
    'decoder.stages.0.convs.0.norm.bias': [3],
    'decoder.seg_layers.0.weight': [2, 3, 1, 1],
    'decoder.seg_layers.0.bias': [2],
  });
});

test.each<[Network['kind'], number]>([
  ['plain', 2],
  ['residual', 3],
  ['plain', 20],
  ['plain', 200],
])('every kernel of a %s network fits a small GPU, with %i classes', (kind, classes) => {
  const features = [8, 16, 32, 64];
  const network: Network = {
    ...flat,
    kind,
    features,
    strides: features.map((_, stage) => (stage === 0 ? [1, 1, 1] : [2, 2, 2])),
    kernels: features.map(() => [3, 3, 3]),
    encoder: features.map(() => 2),
    decoder: [2, 2, 2],
  };
  const unet = new Unet({ network, patchSize: [64, 64, 64], batch: 2, channels: 1, classes, heads: 3, tiling: TILINGS.gpu });
  for (const { name, workgroupBytes, threads, bindings } of [...unet.forward, ...unet.backward()]) {
    // What desktop GPUs have at least, and what WebGPU promises.
    expect(workgroupBytes, name).toBeLessThanOrEqual(32768);
    expect(threads, name).toBeLessThanOrEqual(256);
    expect(bindings.length, name).toBeLessThanOrEqual(8);
  }
});

test('layers that are alike share their shaders, wherever their parameters lie', () => {
  const network: Network = { ...flat, features: [64, 64], encoder: [4, 1] };
  const unet = new Unet({ network, patchSize: [8, 8], batch: 1, channels: 1, classes: 2, heads: 1, tiling: TILINGS.gpu });
  const backward = unet.backward();
  const codesOf = (layer: string): string[] =>
    [...unet.forward, ...backward].filter(({ name }) => name.startsWith(layer)).map(({ code }) => code);
  const codes = codesOf('encoder.stages.0.0.convs.1.');
  expect(codes.length).toBe(9);
  expect(codesOf('encoder.stages.0.0.convs.2.')).toEqual(codes);
  expect(new Set(codes).size).toBe(codes.length);
});

test.each<[string, Partial<Network>, number[], RegExp]>([
  ['patches that cannot be halved', {}, [8, 9], /Take a multiple of \[2, 2\]/],
  ['patches of other axes', {}, [8, 8, 8], /has 2 axes/],
  [
    'a first stage with stride',
    {
      strides: [
        [2, 2],
        [2, 2],
      ],
    },
    [8, 8],
    /first stage/,
  ],
])('refuses %s', (_, change, patchSize, message) => {
  const options = { network: { ...flat, ...change }, patchSize, batch: 1, channels: 1, classes: 2, heads: 1, tiling: TILINGS.direct };
  expect(() => new Unet(options)).toThrow(message);
});

test('a memory above the limit is refused with the kernel and the limit', async () => {
  const options = { network: flat, patchSize: [8192, 8192], batch: 16, channels: 2, classes: 2, heads: 1, tiling: TILINGS.direct };
  await expect(TrainingStep.create(gpu, { ...options, batchDice: true, ignore: null })).rejects.toThrow(/maxStorageBufferBindingSize/);
});

test.each<[string, (voxels: number) => Int16Array | Uint8Array]>([
  ['of a byte a voxel', (voxels) => new Uint8Array(voxels)],
  ['of several regions', (voxels) => new Int16Array(2 * voxels)],
])('masks %s are refused: they are made of labels', async (_, make) => {
  const options = { network: flat, patchSize: [8, 12], batch: 3, channels: 2, classes: 2, heads: 1, tiling: TILINGS.direct };
  const step = await TrainingStep.create(gpu, { ...options, batchDice: true, ignore: null, regions: [[1, 2], [2]] });
  expect(() => step.upload(new Float32Array(576), [make(288)])).toThrow(/not one label a voxel, .* Make the loader with `regions: false`/);
  step.upload(new Float32Array(576), [new Int16Array(288)]);
  step.destroy();
});
