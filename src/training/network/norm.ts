import { voxels } from '../../common/geometry.ts';
import { elementwise, type Kernel, placeIn, read, write } from '../gpu/kernel.ts';
import { type Maps, type Memory, memory, place } from '../gpu/memory.ts';
import { CHUNK, reduction, THREADS } from '../gpu/reduction.ts';
import type { Parameter } from './parameters.ts';

/** Added to the variance (nnU-Net's `norm_op_kwargs`). */
const EPSILON = '1e-5';
/** Slope of leaky ReLU below 0, PyTorch's default. */
const SLOPE = '0.01';

/** An instance norm and what follows it: what it reads and makes. */
export interface Norm {
  name: string;
  input: Maps;
  output: Maps;
  weight: Parameter;
  bias: Parameter;
  /** Mean and 1 / deviation of each sample's channels. */
  statistics: Memory;
  /** Added to what is normalised, in the output's shape; null: nothing. */
  residual: Maps | null;
  /** Whether leaky ReLU comes last. */
  activation: boolean;
}

export function statisticsOf(name: string, { batch, channels }: Maps): Memory {
  return memory(`${name} statistics`, 2 * batch * channels);
}

/** Kernels that normalise each channel of each sample over its voxels, scale, shift, add the residual and activate. */
export function normalise({ name, input, output, weight, bias, statistics, residual, activation }: Norm): Kernel[] {
  const area = voxels(input.shape);
  const chunks = Math.ceil(area / CHUNK);
  const { batch, channels } = input;
  const partial = memory(`${name} partial statistics`, 2 * batch * channels * chunks);
  return [
    // Sums of differences to the chunk's first voxel: no digits cancel, whatever the mean is.
    reduction({
      name: `${name} statistics`,
      bindings: [read('input', input), write('partial', partial)],
      groups: batch * channels * chunks,
      type: 'vec2f',
      each: `
  let map = GROUP / ${chunks}u;
  let first = GROUP % ${chunks}u * ${CHUNK}u;
  let end = min(first + ${CHUNK}u, ${area}u);
  let base = ${place(input, `(map / ${channels}u)`, `map % ${channels}u`, '0u')};
  let shift = f32(input[base + first]);
  var sum = vec2f(0.0);
  for (var i = first + THREAD; i < end; i += ${THREADS}u) {
    let difference = f32(input[base + i]) - shift;
    sum += vec2f(difference, difference * difference);
  }`,
      write: `let count = f32(end - first);
    partial[2u * GROUP] = shift + sum.x / count;
    partial[2u * GROUP + 1u] = max(sum.y - sum.x * sum.x / count, 0.0);`,
    }),
    // Joins chunks by the rule of Chan, Golub and LeVeque (1979).
    elementwise(
      `${name} join statistics`,
      batch * channels,
      [read('partial', partial), write('statistics', statistics)],
      `
  var count = 0.0; var mean = 0.0; var squares = 0.0;
  for (var chunk = 0u; chunk < ${chunks}u; chunk++) {
    let at = 2u * (INDEX * ${chunks}u + chunk);
    let added = f32(min(${CHUNK}u, ${area}u - chunk * ${CHUNK}u));
    let difference = partial[at] - mean;
    squares += partial[at + 1u] + difference * difference * count * added / (count + added);
    count += added;
    mean += difference * added / count;
  }
  statistics[2u * INDEX] = mean;
  statistics[2u * INDEX + 1u] = inverseSqrt(squares / ${area}.0 + ${EPSILON});`,
    ),
    elementwise(
      `${name} normalise`,
      batch * channels * area,
      [
        read('input', input),
        read('statistics', statistics),
        read('parameters', weight),
        ...(residual ? [read('residual', residual)] : []),
        write('output', output),
      ],
      `
  let map = INDEX / ${area}u; let voxel = INDEX % ${area}u;
  let sample = map / ${channels}u; let channel = map % ${channels}u;
  let normal = (f32(input[${place(input, 'sample', 'channel', 'voxel')}]) - statistics[2u * map]) * statistics[2u * map + 1u];
  let value = fma(normal, parameters[${placeIn(weight)}u + channel], parameters[${placeIn(weight, bias)}u + channel])${plus(residual, 'sample', 'channel', 'voxel')};
  output[${place(output, 'sample', 'channel', 'voxel')}] = ${output.memory.type}(${activation ? `select(${SLOPE} * value, value, value > 0.0)` : 'value'});`,
    ),
  ];
}

/** The residual's part of a value. */
function plus(residual: Maps | null, sample: string, channel: string, voxel: string): string {
  return residual ? ` + f32(residual[${place(residual, sample, channel, voxel)}])` : '';
}

/** Kernels of the gradients: of the input (written to `inputGradient`), of weight and bias, and of the residual, if there is one. */
export function normaliseGradient(
  { name, input, weight, bias, statistics, residual, activation }: Norm,
  outputGradient: Maps,
  inputGradient: Maps,
  gradients: { weight: Parameter; bias: Parameter; residual: { maps: Maps; accumulate: boolean } | null },
): Kernel[] {
  const area = voxels(input.shape);
  const chunks = Math.ceil(area / CHUNK);
  const { batch, channels } = input;
  const partial = memory(`${name} partial gradients`, 2 * batch * channels * chunks);
  const sums = memory(`${name} gradient sums`, 2 * batch * channels);
  const common = [
    read('input', input),
    read('outputGradient', outputGradient),
    read('statistics', statistics),
    read('parameters', weight),
    ...(residual && activation ? [read('residual', residual)] : []),
  ];
  // The gradient before the activation, and the normalised input, of a voxel.
  const both = (sample: string, channel: string, voxel: string): string => `
  let normal = (f32(input[${place(input, sample, channel, voxel)}]) - mean) * scale;
  let before = fma(normal, parameters[${placeIn(weight)}u + ${channel}], parameters[${placeIn(weight, bias)}u + ${channel}])${activation ? plus(residual, sample, channel, voxel) : ''};
  let given = f32(outputGradient[${place(outputGradient, sample, channel, voxel)}]);
  let gradient = ${activation ? `select(${SLOPE} * given, given, before > 0.0)` : 'given'};`;
  return [
    reduction({
      name: `${name} gradient sums`,
      bindings: [...common, write('partial', partial)],
      groups: batch * channels * chunks,
      type: 'vec2f',
      each: `
  let map = GROUP / ${chunks}u;
  let first = GROUP % ${chunks}u * ${CHUNK}u;
  let end = min(first + ${CHUNK}u, ${area}u);
  let sample = map / ${channels}u; let channel = map % ${channels}u;
  let mean = statistics[2u * map]; let scale = statistics[2u * map + 1u];
  var sum = vec2f(0.0);
  for (var voxel = first + THREAD; voxel < end; voxel += ${THREADS}u) {
    ${both('sample', 'channel', 'voxel')}
    sum += vec2f(gradient, gradient * normal);
  }`,
      write: `partial[2u * GROUP] = sum.x;
    partial[2u * GROUP + 1u] = sum.y;`,
    }),
    elementwise(
      `${name} join gradient sums`,
      channels,
      [read('partial', partial), write('sums', sums), write('gradients', gradients.weight)],
      `
  var total = vec2f(0.0);
  for (var sample = 0u; sample < ${batch}u; sample++) {
    let map = sample * ${channels}u + INDEX;
    var sum = vec2f(0.0);
    for (var chunk = 0u; chunk < ${chunks}u; chunk++) {
      let at = 2u * (map * ${chunks}u + chunk);
      sum += vec2f(partial[at], partial[at + 1u]);
    }
    sums[2u * map] = sum.x / ${area}.0;
    sums[2u * map + 1u] = sum.y / ${area}.0;
    total += sum;
  }
  gradients[${placeIn(gradients.weight, gradients.bias)}u + INDEX] = total.x;
  gradients[${placeIn(gradients.weight)}u + INDEX] = total.y;`,
    ),
    elementwise(
      `${name} input gradient`,
      batch * channels * area,
      [
        ...common,
        read('sums', sums),
        write('inputGradient', inputGradient),
        ...(gradients.residual ? [write('residualGradient', gradients.residual.maps)] : []),
      ],
      `
  let map = INDEX / ${area}u; let voxel = INDEX % ${area}u;
  let sample = map / ${channels}u; let channel = map % ${channels}u;
  let mean = statistics[2u * map]; let scale = statistics[2u * map + 1u];
  ${both('sample', 'channel', 'voxel')}
  let value = parameters[${placeIn(weight)}u + channel] * scale * (gradient - sums[2u * map] - normal * sums[2u * map + 1u]);
  inputGradient[${place(inputGradient, 'sample', 'channel', 'voxel')}] = ${inputGradient.memory.type}(value);
  ${gradients.residual ? passOn(gradients.residual) : ''}`,
    ),
  ];
}

/** The residual's gradient is that of the sum. */
function passOn({ maps, accumulate }: { maps: Maps; accumulate: boolean }): string {
  return `let passed = ${place(maps, 'sample', 'channel', 'voxel')};
  residualGradient[passed] = ${maps.memory.type}(${accumulate ? 'f32(residualGradient[passed]) + ' : ''}gradient);`;
}

/** The gradient of a convolution's bias: sums over samples and voxels. */
export function biasGradient(name: string, outputGradient: Maps, gradient: Parameter): Kernel[] {
  const { batch, channels, shape } = outputGradient;
  const area = voxels(shape);
  const chunks = Math.ceil(area / CHUNK);
  const partial = memory(`${name} partial bias gradient`, batch * channels * chunks);
  return [
    reduction({
      name: `${name} bias gradient`,
      bindings: [read('outputGradient', outputGradient), write('partial', partial)],
      groups: batch * channels * chunks,
      type: 'f32',
      each: `
  let map = GROUP / ${chunks}u;
  let first = GROUP % ${chunks}u * ${CHUNK}u;
  let end = min(first + ${CHUNK}u, ${area}u);
  let base = ${place(outputGradient, `(map / ${channels}u)`, `map % ${channels}u`, '0u')};
  var sum = 0.0;
  for (var i = first + THREAD; i < end; i += ${THREADS}u) { sum += f32(outputGradient[base + i]); }`,
      write: `partial[GROUP] = sum;`,
    }),
    elementwise(
      `${name} join bias gradient`,
      channels,
      [read('partial', partial), write('gradients', gradient)],
      `
  var total = 0.0;
  for (var sample = 0u; sample < ${batch}u; sample++) {
    for (var chunk = 0u; chunk < ${chunks}u; chunk++) { total += partial[(sample * ${channels}u + INDEX) * ${chunks}u + chunk]; }
  }
  gradients[${placeIn(gradient)}u + INDEX] = total;`,
    ),
  ];
}
