import { expect, test } from 'vitest';
import { type Triple, voxels } from '../../../src/common/geometry.ts';
import { maps, memory, slice } from '../../../src/training/gpu/memory.ts';
import { biasGradient, type Norm, normalise, normaliseGradient, statisticsOf } from '../../../src/training/network/norm.ts';
import { Parameters } from '../../../src/training/network/parameters.ts';
import { expectClose, noise, openGpu, runKernels } from '../gpu.ts';
import * as reference from '../reference/operations.ts';

const gpu = await openGpu();

function setUp(batch: number, channels: number, shape: Triple, mean = 0.3) {
  const parameters = new Parameters();
  const weight = parameters.add('weight', [channels], 'ones');
  const bias = parameters.add('bias', [channels], 'zeros');
  const input = maps('input', batch, channels, shape);
  const norm: Norm = {
    name: 'test',
    input,
    output: maps('output', batch, channels, shape),
    weight,
    bias,
    statistics: statisticsOf('test', input),
    residual: null,
    activation: true,
  };
  const x = reference.values(batch, channels, shape, (i) => Math.fround(mean + noise(1)(i)));
  const given = reference.values(batch, channels, shape, (i) => Math.fround(noise(2)(i)));
  const numbers = Float64Array.from({ length: 2 * channels }, (_, i) => Math.fround(i < channels ? 1 + 0.5 * noise(3)(i) : noise(4)(i)));
  return { parameters, norm, x, given, numbers, weights: numbers.subarray(0, channels), biases: numbers.subarray(channels) };
}

test.each<[string, number, number, Triple]>([
  ['3D, odd sizes', 3, 2, [3, 5, 7]],
  ['2D', 2, 3, [1, 9, 11]],
  ['more voxels than one group sums', 1, 2, [27, 28, 29]],
])('normalises and goes back: %s', async (_, batch, channels, shape) => {
  const { parameters, norm, x, given, numbers, weights, biases } = setUp(batch, channels, shape);
  const outputGradient = maps('given', batch, channels, shape);
  const inputGradient = maps('wanted', batch, channels, shape);
  const gradients = { weight: parameters.gradientOf(norm.weight), bias: parameters.gradientOf(norm.bias), residual: null };
  const [output, input, found] = await runKernels(
    gpu,
    [...normalise(norm), ...normaliseGradient(norm, outputGradient, inputGradient, gradients)],
    [
      [norm.input.memory, x.data],
      [outputGradient.memory, given.data],
      [parameters.values, numbers],
    ],
    norm.output.memory,
    inputGradient.memory,
    parameters.gradients,
  );
  expectClose(output, reference.normalise(x, weights, biases).data);
  const expected = reference.normaliseGradient(x, weights, biases, given);
  expectClose(input, expected.input.data, 1e-4);
  expectClose(found, [...expected.weight, ...expected.bias], 1e-4);
});

test.each<{ activation: boolean; accumulate: boolean; shape: Triple }>([
  { activation: true, accumulate: true, shape: [3, 5, 7] },
  { activation: false, accumulate: false, shape: [3, 5, 7] },
  // Voxels by fours.
  { activation: true, accumulate: true, shape: [3, 4, 5] },
  { activation: false, accumulate: false, shape: [3, 4, 5] },
])('adds what goes by, and gives it its gradient: %o', async ({ activation, accumulate, shape }) => {
  const area = voxels(shape);
  const { parameters, norm, x, given, numbers, weights, biases } = setUp(2, 3, shape);
  // Some channels of a memory that holds more, as the skips of a decoder are.
  const both = maps('residual', 2, 4, shape);
  const bothGradients = maps('residual gradient', 2, 4, shape);
  const residual = slice(both, 1, 3);
  const outputGradient = maps('given', 2, 3, shape);
  const inputGradient = maps('wanted', 2, 3, shape);
  const all = reference.values(2, 4, shape, (i) => Math.fround(noise(6)(i)));
  const before = reference.values(2, 4, shape, (i) => Math.fround(noise(7)(i)));
  const part = ({ data }: reference.Values): reference.Values => {
    return reference.values(2, 3, shape, (i) => data[Math.floor(i / (3 * area)) * 4 * area + area + (i % (3 * area))]);
  };
  const whole: Norm = { ...norm, residual, activation };
  const gradients = {
    weight: parameters.gradientOf(norm.weight),
    bias: parameters.gradientOf(norm.bias),
    residual: { maps: slice(bothGradients, 1, 3), accumulate },
  };
  const [output, input, found, passed] = await runKernels(
    gpu,
    [...normalise(whole), ...normaliseGradient(whole, outputGradient, inputGradient, gradients)],
    [
      [norm.input.memory, x.data],
      [both.memory, all.data],
      [bothGradients.memory, before.data],
      [outputGradient.memory, given.data],
      [parameters.values, numbers],
    ],
    norm.output.memory,
    inputGradient.memory,
    parameters.gradients,
    bothGradients.memory,
  );
  const after = { residual: part(all), activation };
  expectClose(output, reference.normalise(x, weights, biases, after).data);
  const expected = reference.normaliseGradient(x, weights, biases, given, after);
  expectClose(input, expected.input.data, 1e-4);
  expectClose(found, [...expected.weight, ...expected.bias], 1e-4);
  const earlier = accumulate ? part(before).data : new Float64Array(6 * area);
  expectClose(
    part({ ...before, data: Float64Array.from(passed) }).data,
    expected.residual.data.map((value, i) => value + earlier[i]),
  );
});

test('a mean far above the deviation costs no more digits than the numbers lost already', async () => {
  const { norm, x, numbers, parameters, weights, biases } = setUp(1, 2, [8, 8, 8], 1000);
  const [output] = await runKernels(
    gpu,
    normalise(norm),
    [
      [norm.input.memory, x.data],
      [parameters.values, numbers],
    ],
    norm.output.memory,
  );
  expectClose(output, reference.normalise(x, weights, biases).data, 1e-3);
});

test.each<Triple[]>([[[3, 5, 7]], [[4, 6, 8]]])('normalises maps in float16, and goes back: %o', async (shape) => {
  const half = { type: 'f16' as const };
  const { parameters, norm, x, given, numbers, weights, biases } = setUp(2, 3, shape);
  const [input, output, outputGradient, inputGradient] = ['input', 'output', 'given', 'wanted'].map((name) =>
    maps(name, 2, 3, shape, half),
  );
  const own = { ...norm, input, output };
  const gradients = { weight: parameters.gradientOf(norm.weight), bias: parameters.gradientOf(norm.bias), residual: null };
  const round = (values: reference.Values): reference.Values => ({ ...values, data: Float64Array.from(Float16Array.from(values.data)) });
  const [rounded, roundedGiven] = [round(x), round(given)];
  const [found, foundInput, foundParameters] = await runKernels(
    gpu,
    [...normalise(own), ...normaliseGradient(own, outputGradient, inputGradient, gradients)],
    [
      [input.memory, rounded.data],
      [outputGradient.memory, roundedGiven.data],
      [parameters.values, numbers],
    ],
    output.memory,
    inputGradient.memory,
    parameters.gradients,
  );
  // Results are rounded once, to 2^-11 of what they are; sums are not.
  expectClose(found, reference.normalise(rounded, weights, biases).data, 2 ** -11 + 1e-5);
  const expected = reference.normaliseGradient(rounded, weights, biases, roundedGiven);
  expectClose(foundInput, expected.input.data, 2 ** -11 + 1e-4);
  expectClose(foundParameters, [...expected.weight, ...expected.bias], 1e-4);
});

test('a constant map becomes the bias', async () => {
  const { norm, numbers, parameters, biases } = setUp(1, 2, [2, 3, 4]);
  const flat = new Float64Array(48).fill(7);
  const [output] = await runKernels(
    gpu,
    normalise(norm),
    [
      [norm.input.memory, flat],
      [parameters.values, numbers],
    ],
    norm.output.memory,
  );
  const active = [...biases].map((value) => (value > 0 ? value : 0.01 * value));
  expectClose(
    output,
    Float64Array.from({ length: 48 }, (_, i) => active[Math.floor(i / 24)]),
  );
});

test.each<Triple[]>([[[3, 5, 7]], [[3, 4, 5]], [[27, 28, 29]]])('sums the gradient of a bias: %o', async (shape) => {
  const given = maps('given', 3, 4, shape);
  const x = reference.values(3, 4, given.shape, (i) => Math.fround(noise(5)(i)));
  const parameters = new Parameters();
  const gradient = parameters.gradientOf(parameters.add('bias', [4], 'zeros'));
  const [found] = await runKernels(gpu, biasGradient('test', given, gradient), [[given.memory, x.data]], parameters.gradients);
  expectClose(found, reference.biasGradient(x));
});

test('a shader that does not compile is refused by its name', async () => {
  const { norm } = setUp(1, 1, [2, 2, 2]);
  const broken = normalise(norm).map((kernel) => ({ ...kernel, code: `${kernel.code}\n oops` }));
  await expect(runKernels(gpu, broken, [], memory('nothing', 1))).rejects.toThrow(/^test statistics: /);
});
