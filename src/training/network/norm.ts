import { voxels } from '../../common/geometry.ts';
import { elementwise, type Kernel, placeIn, read, write } from '../gpu/kernel.ts';
import { type Maps, type Memory, memory, place, typeOf, type Width } from '../gpu/memory.ts';
import { CHUNK, reduction, THREADS } from '../gpu/reduction.ts';
import { realText, wide, wideMaps, widthFor } from '../gpu/wide.ts';
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
  const width = widthFor(area);
  return [
    // Sums of differences to the chunk's first voxel: no digits cancel, whatever the mean is.
    reduction({
      name: `${name} statistics`,
      bindings: [...wide(width, read('input', input)), write('partial', partial)],
      groups: batch * channels * chunks,
      type: 'vec2f',
      declarations: realText(width),
      each: `
  ${chunkText(area, chunks, width)}
  let base = ${place(wideMaps(input, width), `(map / ${channels}u)`, `map % ${channels}u`, '0u')};
  let shift = leading(Real(input[base + first]));
  var sum = vec2f(0.0);
  for (var i = first + THREAD; i < end; i += ${THREADS}u) {
    let difference = Real(input[base + i]) - shift;
    sum += vec2f(total(difference), total(difference * difference));
  }`,
      write: `let count = f32(${width}u * (end - first));
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
      (batch * channels * area) / width,
      [
        ...wide(width, read('input', input), ...(residual ? [read('residual', residual)] : []), write('output', output)),
        read('statistics', statistics),
        read('parameters', weight),
      ],
      `
  ${voxelText(area, channels, width)}
  let normal = (Real(input[${place(wideMaps(input, width), 'sample', 'channel', 'voxel')}]) - statistics[2u * map]) * statistics[2u * map + 1u];
  let value = fma(normal, Real(parameters[${placeIn(weight)}u + channel]), Real(parameters[${placeIn(weight, bias)}u + channel]))${plus(residual, width)};
  output[${place(wideMaps(output, width), 'sample', 'channel', 'voxel')}] = ${typeOf(output.memory.type, width)}(${activation ? `select(${SLOPE} * value, value, value > Real(0.0))` : 'value'});`,
      realText(width),
    ),
  ];
}

/** The part of a map that a workgroup sums up: `map`, and its voxels from `first` to `end`. */
function chunkText(area: number, chunks: number, width: Width): string {
  return `let map = GROUP / ${chunks}u;
  let first = GROUP % ${chunks}u * ${CHUNK / width}u;
  let end = min(first + ${CHUNK / width}u, ${area / width}u);`;
}

/** What a thread works on: `map` (`sample` and `channel`) and `voxel`. */
function voxelText(area: number, channels: number, width: Width): string {
  return `let map = INDEX / ${area / width}u; let voxel = INDEX % ${area / width}u;
  let sample = map / ${channels}u; let channel = map % ${channels}u;`;
}

/** The residual's part of a value. */
function plus(residual: Maps | null, width: Width): string {
  return residual ? ` + Real(residual[${place(wideMaps(residual, width), 'sample', 'channel', 'voxel')}])` : '';
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
  const width = widthFor(area);
  const at = (maps: Maps): string => place(wideMaps(maps, width), 'sample', 'channel', 'voxel');
  const common = [
    ...wide(width, read('input', input), read('outputGradient', outputGradient)),
    ...(residual && activation ? wide(width, read('residual', residual)) : []),
    read('statistics', statistics),
    read('parameters', weight),
  ];
  // The gradient before the activation, and the normalised input, of a voxel.
  const both = `
  let normal = (Real(input[${at(input)}]) - mean) * scale;
  let before = fma(normal, Real(parameters[${placeIn(weight)}u + channel]), Real(parameters[${placeIn(weight, bias)}u + channel]))${activation ? plus(residual, width) : ''};
  let given = Real(outputGradient[${at(outputGradient)}]);
  let gradient = ${activation ? `select(${SLOPE} * given, given, before > Real(0.0))` : 'given'};`;
  return [
    reduction({
      name: `${name} gradient sums`,
      bindings: [...common, write('partial', partial)],
      groups: batch * channels * chunks,
      type: 'vec2f',
      declarations: realText(width),
      each: `
  ${chunkText(area, chunks, width)}
  let sample = map / ${channels}u; let channel = map % ${channels}u;
  let mean = statistics[2u * map]; let scale = statistics[2u * map + 1u];
  var sum = vec2f(0.0);
  for (var voxel = first + THREAD; voxel < end; voxel += ${THREADS}u) {
    ${both}
    sum += vec2f(total(gradient), total(gradient * normal));
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
      (batch * channels * area) / width,
      [
        ...common,
        read('sums', sums),
        ...wide(width, write('inputGradient', inputGradient)),
        ...(gradients.residual ? wide(width, write('residualGradient', gradients.residual.maps)) : []),
      ],
      `
  ${voxelText(area, channels, width)}
  let mean = statistics[2u * map]; let scale = statistics[2u * map + 1u];
  ${both}
  let value = parameters[${placeIn(weight)}u + channel] * scale * (gradient - sums[2u * map] - normal * sums[2u * map + 1u]);
  inputGradient[${at(inputGradient)}] = ${typeOf(inputGradient.memory.type, width)}(value);
  ${gradients.residual ? passOn(gradients.residual, width) : ''}`,
      realText(width),
    ),
  ];
}

/** The residual's gradient is that of the sum. */
function passOn({ maps, accumulate }: { maps: Maps; accumulate: boolean }, width: Width): string {
  return `let passed = ${place(wideMaps(maps, width), 'sample', 'channel', 'voxel')};
  residualGradient[passed] = ${typeOf(maps.memory.type, width)}(${accumulate ? 'Real(residualGradient[passed]) + ' : ''}gradient);`;
}

/** The gradient of a convolution's bias: sums over samples and voxels. */
export function biasGradient(name: string, outputGradient: Maps, gradient: Parameter): Kernel[] {
  const { batch, channels, shape } = outputGradient;
  const area = voxels(shape);
  const chunks = Math.ceil(area / CHUNK);
  const partial = memory(`${name} partial bias gradient`, batch * channels * chunks);
  const width = widthFor(area);
  return [
    reduction({
      name: `${name} bias gradient`,
      bindings: [...wide(width, read('outputGradient', outputGradient)), write('partial', partial)],
      groups: batch * channels * chunks,
      type: 'f32',
      declarations: realText(width),
      each: `
  ${chunkText(area, chunks, width)}
  let base = ${place(wideMaps(outputGradient, width), `(map / ${channels}u)`, `map % ${channels}u`, '0u')};
  var sum = 0.0;
  for (var i = first + THREAD; i < end; i += ${THREADS}u) { sum += total(Real(outputGradient[base + i])); }`,
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
