import { type Triple, triple, voxels } from '../../common/geometry.ts';
import { elementwise, type Kernel, kernel, placeIn, read, write } from '../gpu/kernel.ts';
import { upTo } from '../gpu/loop.ts';
import { type Maps, memory, place } from '../gpu/memory.ts';
import { type BoxTile, boxBytes, boxTile, lineOf, loadBox } from './box.ts';
import { type Convolution, flopsOf, put } from './convolution.ts';
import type { Parameter } from './parameters.ts';
import { ravel, unravel, vector } from './taps.ts';

/** A convolution as boxes see it: each voxel of the result is a sum over `taps` neighbours in the input, and over its channels. */
interface BoxConvolution {
  name: string;
  input: Maps;
  output: Maps;
  /** The most neighbours along each axis. */
  taps: Triple;
  /** Voxels of the result that lie alike to the stride's grid, in steps of `stride`, are a phase: these many. */
  phases: number;
  counted: Triple;
  stride: Triple;
  /** WGSL that sets, from `phase`: `offset` of the phase, its number of `taps`, and where in the input they `begin`, all vec3i. */
  prepare: string;
  /** WGSL: the tap of the kernel, from the neighbour `up`; where its weight lies, for channel m of the result and c of the input. */
  tap: string;
  weightAt: string;
  flops: number;
}

/** The same as `gatherProduct`, at stride 1; null where a box does not do. */
export function gatherBox(of: Convolution, weights: Parameter, bias: Parameter | null, accumulate: boolean): Kernel[] | null {
  const { fine, coarse, kernel, stride, padding } = of;
  if (voxels(stride) > 1) return null;
  const convolution: BoxConvolution = {
    name: `${of.name} gather`,
    input: fine,
    output: coarse,
    taps: kernel,
    phases: 1,
    counted: coarse.shape,
    stride,
    prepare: `let offset = vec3i(0); let taps = ${vector(kernel)}; let begin = vec3i(0) - ${vector(padding)};`,
    tap: ravel('up', kernel),
    weightAt: `(m * ${fine.channels}u + c) * ${voxels(kernel)}u + tap`,
    flops: flopsOf(of),
  };
  return boxConvolution(convolution, of, weights, bias, accumulate);
}

/** The same as `scatterProduct`; null where a box does not do. */
export function scatterBox(of: Convolution, weights: Parameter, bias: Parameter | null, accumulate: boolean): Kernel[] | null {
  const { fine, coarse, kernel, stride, padding } = of;
  const most = triple((axis) => Math.ceil(kernel[axis] / stride[axis]));
  const phases = voxels(stride);
  const convolution: BoxConvolution = {
    name: `${of.name} scatter`,
    input: coarse,
    output: fine,
    taps: most,
    phases,
    counted: triple((axis) => Math.ceil(fine.shape[axis] / stride[axis])),
    stride,
    prepare:
      phases === 1
        ? `let offset = vec3i(0); let rest = vec3i(0); let taps = ${vector(kernel)}; let begin = ${vector(triple((axis) => padding[axis] - kernel[axis] + 1))};`
        : `let offset = ${unravel('phase', stride)};
  let rest = (offset + ${vector(padding)}) % ${vector(stride)};
  let taps = max((${vector(kernel)} - rest + ${vector(stride)} - 1) / ${vector(stride)}, vec3i(0));
  let begin = (offset + ${vector(padding)} - rest) / ${vector(stride)} - (taps - 1);`,
    // Steps go up in the coarse maps, and so down in the kernel.
    tap: ravel(`(rest + (taps - 1 - up) * ${vector(stride)})`, kernel),
    weightAt: `(c * ${fine.channels}u + m) * ${voxels(kernel)}u + tap`,
    flops: flopsOf(of),
  };
  return boxConvolution(convolution, of, weights, bias, accumulate);
}

function boxConvolution(
  of: BoxConvolution,
  { kernel: size, tiling }: Convolution,
  weights: Parameter,
  bias: Parameter | null,
  accumulate: boolean,
): Kernel[] | null {
  const { name, input, output, taps: most, phases, counted, stride } = of;
  const tile = boxTile(tiling, output.channels, most, counted);
  // A box that one tap reads, or whose channels are few, takes longer to load than to multiply.
  if (tile === null || voxels(most) === 1 || input.channels < tile.units.terms) return null;
  const { units, rows, result, box, own, subgroups } = tile;
  const { terms, subgroup } = units;
  const threads = subgroups * subgroup;
  const packed = packWeights(of, tile, size, weights);
  const [chunks, allTaps] = [Math.ceil(input.channels / terms), voxels(size)];
  const rowTiles = Math.ceil(output.channels / rows);
  const tiles = triple((axis) => Math.ceil(counted[axis] / result[axis]));
  const [down, along] = [upTo(own[0] / units.rows), upTo(own[1])];
  const across = (result[0] * result[1]) / own[1];
  const line = lineOf(terms);
  const unit = units.rows * units.columns;
  const sums = down.flatMap((i) => along.map((j) => ({ i, j, name: `sum${i}_${j}` })));
  const [, boxHeight, boxWidth] = box;
  const matrix = units.rows * terms;
  const multiply = (x: string): string => `        let up = vec3i(z, y, ${x});
        let tap = left + ${of.tap} * ${matrix}u;
        let near = ${ravel('up', box)} * ${line}u;
${down.map((i) => `        let a${i} = subgroupMatrixLoad<subgroup_matrix_left<f16, ${terms}, ${units.rows}>, row_major>(&weights, tap + ${i * chunks * allTaps * matrix}u, ${terms}u);`).join('\n')}
${along.map((j) => `        let b${j} = subgroupMatrixLoad<subgroup_matrix_right<f16, ${units.columns}, ${terms}>, col_major>(&block, line${j} + near, ${line}u);`).join('\n')}
${sums.map(({ i, j, name }) => `        ${name} = subgroupMatrixMultiplyAccumulate(a${i}, b${j}, ${name});`).join('\n')}`;
  // Where the number of taps is known, matrices of one are on their way while another is multiplied.
  const fixed = phases === 1;
  const main = kernel({
    name,
    bindings: [
      read('weights', packed.weights),
      read('source', input),
      ...(bias ? [read('parameters', bias)] : []),
      write('result', output),
    ],
    threads,
    groups: rowTiles * voxels(tiles) * phases * output.batch,
    declarations: `var<workgroup> block: array<f16, ${voxels(box) * line}>;
var<workgroup> results: array<f32, ${subgroups * unit}>;`,
    workgroupBytes: boxBytes(tile),
    flops: of.flops,
    body: `  let rowTile = GROUP % ${rowTiles}u * ${rows}u;
  let corner = ${unravel(`(GROUP / ${rowTiles}u % ${voxels(tiles)}u)`, tiles)} * ${vector(result)};
  let slice = GROUP / ${rowTiles * voxels(tiles)}u;
  let sample = slice / ${phases}u;
  let phase = slice % ${phases}u;
  ${of.prepare}
  let ownRow = SUBGROUP / ${across}u * ${own[0]}u;
  let ownRun = SUBGROUP % ${across}u * ${own[1]}u;
${along
  .map(
    (j) => `  let at${j} = vec2u((ownRun + ${j}u) / ${result[1]}u, (ownRun + ${j}u) % ${result[1]}u);
  let line${j} = (at${j}.x * ${boxHeight}u + at${j}.y) * ${boxWidth * line}u;`,
  )
  .join('\n')}
${sums.map(({ name }) => `  var ${name}: subgroup_matrix_result<f32, ${units.columns}, ${units.rows}>;`).join('\n')}
  for (var chunk = 0u; chunk < ${chunks}u; chunk++) {
${loadBox({ into: 'block', box, channels: terms, threads, from: input, source: 'source', sample: 'sample', first: `chunk * ${terms}u`, corner: 'corner + begin' })}
    workgroupBarrier();
    let left = ((rowTile + ownRow) / ${units.rows}u * ${chunks}u + chunk) * ${allTaps * matrix}u;
    for (var z = 0; z < ${fixed ? most[0] : 'taps.x'}; z++) { for (var y = 0; y < ${fixed ? most[1] : 'taps.y'}; y++) {
${
  fixed
    ? upTo(most[2])
        .map((x) => `      {\n${multiply(String(x))}\n      }`)
        .join('\n')
    : `      for (var x = 0; x < taps.z; x++) {\n${multiply('x')}\n      }`
}
    } }
    workgroupBarrier();
  }
${sums
  .map(
    ({ i, j, name }) => `  subgroupMatrixStore<row_major>(&results, SUBGROUP * ${unit}u, ${name}, ${units.columns}u);
  workgroupBarrier();
  for (var element = LANE; element < ${unit}u; element += ${subgroup}u) {
    let m = rowTile + ownRow + ${i * units.rows}u + element / ${units.columns}u;
    let to = (corner + vec3i(vec2i(at${j}), i32(element % ${units.columns}u))) * ${vector(stride)} + offset;
    if (m < ${output.channels}u && all(to < ${vector(output.shape)})) {
      let value = results[SUBGROUP * ${unit}u + element];
      let at = ${place(output, 'sample', 'm', ravel('to', output.shape))}; ${put('result', output, biased(bias), accumulate)}
    }
  }
  workgroupBarrier();`,
  )
  .join('\n')}`,
  });
  return [packed.kernel, main];
}

function biased(bias: Parameter | null): string {
  return bias === null ? 'value' : `value + parameters[${placeIn(bias)}u + m]`;
}

/**
 * Weights as float16 and in the order in which units take them: [rows / unit, chunk of channels, tap, row, channel], zeros where there
 * are none. What is made at every step is made once for all workgroups.
 */
function packWeights({ name, input, output, weightAt }: BoxConvolution, tile: BoxTile, size: Triple, weights: Parameter) {
  const { rows, terms } = tile.units;
  const chunks = Math.ceil(input.channels / terms);
  const blocks = (Math.ceil(output.channels / tile.rows) * tile.rows) / rows;
  const taps = voxels(size);
  const packed = memory(`${name} weights`, blocks * chunks * taps * rows * terms, { type: 'f16' });
  const pack = elementwise(
    packed.name,
    packed.length,
    [read('weights', weights), write('packed', packed)],
    `let c = INDEX / ${taps * rows * terms}u % ${chunks}u * ${terms}u + INDEX % ${terms}u;
  let m = INDEX / ${chunks * taps * rows * terms}u * ${rows}u + INDEX / ${terms}u % ${rows}u;
  let tap = INDEX / ${rows * terms}u % ${taps}u;
  var weight = 0.0;
  if (m < ${output.channels}u && c < ${input.channels}u) { weight = weights[${placeIn(weights)}u + ${weightAt}]; }
  packed[INDEX] = f16(weight);`,
  );
  return { weights: packed, kernel: pack };
}
