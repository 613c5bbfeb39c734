import { type Triple, triple, voxels } from '../../common/geometry.ts';
import { elementwise, type Kernel, read, write } from '../gpu/kernel.ts';
import { type Maps, type Memory, memory, place } from '../gpu/memory.ts';
import { product, type Tiling, tileFor } from '../gpu/product.ts';
import type { Parameter } from './parameters.ts';

/**
 * The geometry of a convolution: `fine` maps in, `coarse` maps out. A transposed convolution is the same with the roles swapped.
 * 2D has 1 along axis 0.
 */
export interface Convolution {
  name: string;
  fine: Maps;
  coarse: Maps;
  kernel: Triple;
  stride: Triple;
  padding: Triple;
  tiling: Tiling;
}

/** The shape that comes out of a convolution. */
export function coarseShape(fine: Triple, kernel: Triple, stride: Triple, padding: Triple): Triple {
  return triple((axis) => Math.floor((fine[axis] + 2 * padding[axis] - kernel[axis]) / stride[axis]) + 1);
}

/** coarse = weights * fine (+ bias): a convolution forward, or the data gradient of a transposed one. */
export function gather(of: Convolution, weights: Parameter, bias: Parameter | null, { accumulate = false } = {}): Kernel {
  const { fine, coarse, kernel, stride, padding, tiling } = of;
  const columns = voxels(coarse.shape);
  const terms = fine.channels * voxels(kernel);
  const value = withBias('value', bias);
  return product({
    name: `${of.name} gather`,
    bindings: [read('weights', weights.memory), read('fine', fine.memory), write('coarse', coarse.memory)],
    rows: coarse.channels,
    columns,
    slices: coarse.batch,
    prepare: `let sample = slice; let first = 0u; let end = ${terms}u;`,
    arguments: 'sample',
    declarations: `
struct Term { channel: u32, flat: u32, tap: vec3i, inside: bool }
struct Column { corner: vec3i, inside: bool }
fn term(k: u32, end: u32, sample: u32) -> Term {
  let tap = k % ${voxels(kernel)}u;
  return Term(k / ${voxels(kernel)}u, k, ${unravel('tap', kernel)}, k < end);
}
fn column(n: u32, sample: u32) -> Column {
  return Column(${unravel('n', coarse.shape)} * ${vector(stride)} - ${vector(padding)}, n < ${columns}u);
}
fn left(m: u32, term: Term, sample: u32) -> f32 {
  if (m >= ${coarse.channels}u || !term.inside) { return 0.0; }
  return weights[${weights.offset}u + m * ${terms}u + term.flat];
}
fn right(term: Term, column: Column, sample: u32) -> f32 {
  let at = column.corner + term.tap;
  if (!column.inside || !term.inside || ${outside('at', fine.shape)}) { return 0.0; }
  return f32(fine[${place(fine, 'sample', 'term.channel', ravel('at', fine.shape))}]);
}`,
    alongTerms: false,
    store: `let at = ${place(coarse, 'sample', 'm', 'n')}; ${put('coarse', coarse, value, accumulate)}`,
    tile: tileFor(tiling, coarse.channels, columns),
  });
}

/**
 * fine = weights^T * coarse (+ bias): the data gradient of a convolution, or a transposed one forward. Voxels that lie alike to
 * the stride's grid meet the same taps of the kernel: they make one slice ("phase"), which sums over those taps alone.
 */
export function scatter(of: Convolution, weights: Parameter, bias: Parameter | null, { accumulate = false } = {}): Kernel {
  const { fine, coarse, kernel, stride, padding, tiling } = of;
  const phases = voxels(stride);
  const counted = triple((axis) => Math.ceil(fine.shape[axis] / stride[axis]));
  const columns = voxels(counted);
  const value = withBias('value', bias);
  // Where every phase meets equally many taps, their number is a constant, which compilers divide by cheaply.
  const even = [0, 1, 2].every((axis) => kernel[axis] % stride[axis] === 0);
  const taps = even
    ? vector(triple((axis) => kernel[axis] / stride[axis]))
    : `max((${vector(kernel)} - rest + ${vector(stride)} - 1) / ${vector(stride)}, vec3i(0))`;
  return product({
    name: `${of.name} scatter`,
    bindings: [read('weights', weights.memory), read('coarse', coarse.memory), write('fine', fine.memory)],
    rows: fine.channels,
    columns,
    slices: fine.batch * phases,
    prepare: `let sample = slice / ${phases}u;
  let offset = ${unravel(`(slice % ${phases}u)`, stride)};
  let rest = (offset + ${vector(padding)}) % ${vector(stride)};
  let taps = ${taps};
  let first = 0u; let end = ${coarse.channels}u * u32(taps.x * taps.y * taps.z);
  let phase = Phase(sample, offset, rest, taps);`,
    arguments: 'phase',
    declarations: `
struct Phase { sample: u32, offset: vec3i, rest: vec3i, taps: vec3i }
struct Term { channel: u32, flat: u32, back: vec3i, inside: bool }
struct Column { base: vec3i, at: vec3i, inside: bool }
fn term(k: u32, end: u32, phase: Phase) -> Term {
  let taps = ${even ? vector(triple((axis) => kernel[axis] / stride[axis])) : 'max(phase.taps, vec3i(1))'};
  let count = u32(taps.x * taps.y * taps.z);
  let tap = i32(k % count);
  let back = vec3i(tap / (taps.y * taps.z), tap / taps.z % taps.y, tap % taps.z);
  let at = phase.rest + back * ${vector(stride)};
  return Term(k / count, u32(${ravel('at', kernel)}), back, k < end);
}
fn column(n: u32, phase: Phase) -> Column {
  let step = ${unravel('n', counted)};
  let at = step * ${vector(stride)} + phase.offset;
  return Column((at + ${vector(padding)} - phase.rest) / ${vector(stride)}, at, n < ${columns}u && all(at < ${vector(fine.shape)}));
}
fn left(m: u32, term: Term, phase: Phase) -> f32 {
  if (m >= ${fine.channels}u || !term.inside) { return 0.0; }
  return weights[${weights.offset}u + (term.channel * ${fine.channels}u + m) * ${voxels(kernel)}u + term.flat];
}
fn right(term: Term, column: Column, phase: Phase) -> f32 {
  let at = column.base - term.back;
  if (!column.inside || !term.inside || ${outside('at', coarse.shape)}) { return 0.0; }
  return f32(coarse[${place(coarse, 'phase.sample', 'term.channel', ravel('at', coarse.shape))}]);
}`,
    alongTerms: false,
    store: `if (place.inside) { let at = ${place(fine, 'sample', 'm', ravel('place.at', fine.shape))}; ${put('fine', fine, value, accumulate)} }`,
    tile: tileFor(tiling, fine.channels, columns),
  });
}

/** The longest sum that one workgroup makes, in terms, if there is other work: longer ones are cut. */
const LONGEST_PART = 4096;
/** Parts take memory, and have to be added: more are made only to keep a GPU busy. */
const MOST_PARTS = 256;
/** Workgroups that keep a large GPU busy. */
const ENOUGH_GROUPS = 1024;

/** gradient[coarse channel, fine channel, tap]: the weight gradient of both. Sums over all voxels are made in parts, then added. */
export function weightGradient(of: Convolution, maps: { fine: Maps; coarse: Maps }, gradient: Parameter): Kernel[] {
  const { kernel, stride, padding, tiling } = of;
  const { fine, coarse } = maps;
  const taps = voxels(kernel);
  const rows = coarse.channels;
  const columns = fine.channels * taps;
  const area = voxels(coarse.shape);
  const terms = coarse.batch * area;
  const tile = tileFor(tiling, rows, columns);
  const tiles = Math.ceil(rows / tile.rows) * Math.ceil(columns / tile.columns);
  const parts = Math.max(
    1,
    Math.min(
      Math.ceil(terms / (8 * tile.depth)),
      Math.max(Math.min(Math.ceil(terms / LONGEST_PART), MOST_PARTS), Math.ceil(ENOUGH_GROUPS / tiles)),
    ),
  );
  const part = tile.depth * Math.ceil(terms / parts / tile.depth);
  const whole = parts === 1;
  const sums: Memory = whole ? gradient.memory : memory(`${of.name} partial weight gradient`, parts * rows * columns);
  const main = product({
    name: `${of.name} weight gradient`,
    bindings: [read('coarse', coarse.memory), read('fine', fine.memory), write('gradient', sums)],
    rows,
    columns,
    slices: parts,
    prepare: `let first = slice * ${part}u; let end = min(first + ${part}u, ${terms}u);`,
    declarations: `
struct Term { sample: u32, voxel: u32, corner: vec3i, inside: bool }
struct Column { channel: u32, tap: vec3i, inside: bool }
fn term(k: u32, end: u32) -> Term {
  let voxel = k % ${area}u;
  return Term(k / ${area}u, voxel, ${unravel('voxel', coarse.shape)} * ${vector(stride)} - ${vector(padding)}, k < end);
}
fn column(n: u32) -> Column {
  let tap = n % ${taps}u;
  return Column(n / ${taps}u, ${unravel('tap', kernel)}, n < ${columns}u);
}
fn left(m: u32, term: Term) -> f32 {
  if (m >= ${rows}u || !term.inside) { return 0.0; }
  return f32(coarse[${place(coarse, 'term.sample', 'm', 'term.voxel')}]);
}
fn right(term: Term, column: Column) -> f32 {
  let at = term.corner + column.tap;
  if (!column.inside || !term.inside || ${outside('at', fine.shape)}) { return 0.0; }
  return f32(fine[${place(fine, 'term.sample', 'column.channel', ravel('at', fine.shape))}]);
}`,
    alongTerms: true,
    store: `gradient[${whole ? `${gradient.offset}u` : `slice * ${rows * columns}u`} + m * ${columns}u + n] = value;`,
    tile,
  });
  if (whole) return [main];
  return [
    main,
    elementwise(
      `${of.name} weight gradient sum`,
      rows * columns,
      [read('sums', sums), write('gradient', gradient.memory)],
      `var total = 0.0;
  for (var part = 0u; part < ${parts}u; part++) { total += sums[part * ${rows * columns}u + INDEX]; }
  gradient[${gradient.offset}u + INDEX] = total;`,
    ),
  ];
}

/** Weights and biases lie in one memory, which is bound once. */
function withBias(value: string, bias: Parameter | null): string {
  return bias === null ? value : `${value} + weights[${bias.offset}u + m]`;
}

function put(name: string, { memory: { type } }: Maps, value: string, accumulate: boolean): string {
  const before = accumulate ? `f32(${name}[at]) + ` : '';
  return `${name}[at] = ${type === 'f16' ? `f16(${before}${value})` : `${before}${value}`};`;
}

/** Three sizes as a WGSL vector. Along axes 0, 1, 2: x, y, z of the vector. */
export function vector(sizes: Triple): string {
  return `vec3i(${sizes.join(', ')})`;
}

/** Below 0 is far above any size, as an unsigned number. */
function outside(at: string, sizes: Triple): string {
  return `any(vec3u(${at}) >= vec3u(${sizes.join(', ')}))`;
}

/** The place (z, y, x) of an element, as a vec3i, from its index. */
export function unravel(flat: string, [, height, width]: Triple): string {
  return `vec3i(i32(${flat} / ${height * width}u), i32(${flat} / ${width}u % ${height}u), i32(${flat} % ${width}u))`;
}

/** The reverse, as a u32. */
export function ravel(at: string, [, height, width]: Triple): string {
  return `u32((${at}.x * ${height} + ${at}.y) * ${width} + ${at}.z)`;
}
