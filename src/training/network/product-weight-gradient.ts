import { voxels } from '../../common/geometry.ts';
import { elementwise, type Kernel, placeIn, read, write } from '../gpu/kernel.ts';
import { type Memory, memory, place } from '../gpu/memory.ts';
import { product } from '../gpu/product.ts';
import { tileFor } from '../gpu/tile.ts';
import { realText, wide, widthFor } from '../gpu/wide.ts';
import { type Convolution, flopsOf } from './convolution.ts';
import type { Parameter } from './parameters.ts';
import { nearFunctions, ravel, unravel, vector } from './taps.ts';

/** Parts are multiples of this many terms. Every tile's `depth` divides it. */
export const PART_STEP = 32;
/** The longest sum that one workgroup makes, in terms, if there is other work: longer ones are cut. */
const LONGEST_PART = 4096;
/** Parts take memory, and have to be added: more are made only to keep a GPU busy. */
const MOST_PARTS = 256;
/** Workgroups that keep a large GPU busy, where each makes so many elements. */
const ENOUGH_GROUPS = 1024;
const GROUP_AREA = 4096;

/** Into how many parts a long sum is cut: whatever the tile is, so that it changes no bit of the sum. */
function partsOf(terms: number, elements: number): number {
  const wanted = Math.max(
    Math.min(Math.ceil(terms / LONGEST_PART), MOST_PARTS),
    Math.ceil(ENOUGH_GROUPS / Math.ceil(elements / GROUP_AREA)),
  );
  return Math.min(Math.ceil(terms / (4 * PART_STEP)), wanted);
}

/** gradient[coarse channel, fine channel, tap]: the weight gradient of both. Sums over all voxels are made in parts, then added. */
export function productWeightGradient(of: Convolution, gradient: Parameter): Kernel[] {
  const { fine, coarse, kernel, stride, padding, tiling } = of;
  const taps = voxels(kernel);
  const rows = coarse.channels;
  const columns = fine.channels * taps;
  const area = voxels(coarse.shape);
  const terms = coarse.batch * area;
  const parts = partsOf(terms, rows * columns);
  const part = PART_STEP * Math.ceil(terms / parts / PART_STEP);
  const whole = parts === 1;
  const leftWidth = tiling.wideLeft ? widthFor(area) : 1;
  const sums: Memory = whole ? gradient.memory : memory(`${of.name} partial weight gradient`, parts * rows * columns);
  const main = product({
    name: `${of.name} weight gradient`,
    bindings: [...wide(leftWidth, read('coarse', coarse)), read('fine', fine), write('gradient', whole ? gradient : sums)],
    rows,
    columns,
    slices: parts,
    prepare: `let first = slice * ${part}u; let end = min(first + ${part}u, ${terms}u);`,
    declarations: `${nearFunctions(kernel)}
struct Term { start: u32, offset: u32, near: u32 }
struct Column { offset: u32, needs: u32 }
fn term(k: u32, end: u32) -> Term {
  if (k >= end) { return Term(0u, 0u, 0u); }
  let sample = k / ${area}u; let voxel = k % ${area}u;
  let corner = ${unravel('voxel', coarse.shape)} * ${vector(stride)} - ${vector(padding)};
  return Term(${place(coarse, 'sample', '0u', 'voxel')}, ${place(fine, 'sample', '0u', ravel('corner', fine.shape))}, near(corner, ${vector(kernel)}, ${vector(fine.shape)}));
}
fn column(n: u32) -> Column {
  if (n >= ${columns}u) { return Column(0u, NEVER); }
  let tap = ${unravel(`(n % ${taps}u)`, kernel)};
  return Column(n / ${taps}u * ${voxels(fine.shape)}u + ${ravel('tap', fine.shape)}, needs(tap));
}
${
  leftWidth === 4
    ? `fn left4(m: u32, k: u32, end: u32) -> vec4<Value> {
  if (m >= ${rows}u || k >= end) { return vec4<Value>(); }
  return vec4<Value>(coarse[${place(coarse, `(k / ${area}u)`, 'm', `k % ${area}u`)} / 4u]);
}`
    : `fn left(m: u32, term: Term) -> Value {
  if (m >= ${rows}u || term.near == 0u) { return Value(0.0); }
  return Value(coarse[term.start + m * ${area}u]);
}`
}
fn right(term: Term, column: Column) -> Value {
  if ((term.near & column.needs) != column.needs) { return Value(0.0); }
  return Value(fine[term.offset + column.offset]);
}`,
    leftWidth,
    alongTerms: true,
    store: `gradient[${whole ? `${placeIn(gradient)}u` : `slice * ${rows * columns}u`} + m * ${columns}u + n] = value;`,
    flops: flopsOf(of),
    tile: tileFor(tiling, rows, columns),
  });
  return whole ? [main] : [main, sumParts(`${of.name} weight gradient sum`, sums, parts, gradient)];
}

/** gradient = the sum of parts that lie one behind the other. */
function sumParts(name: string, sums: Memory, parts: number, gradient: Parameter): Kernel {
  const length = sums.length / parts;
  const width = widthFor(length, placeIn(gradient));
  return elementwise(
    name,
    length / width,
    wide(width, read('sums', sums), write('gradient', gradient)),
    `var sum = Real(0.0);
  for (var part = 0u; part < ${parts}u; part++) { sum += sums[part * ${length / width}u + INDEX]; }
  gradient[${placeIn(gradient) / width}u + INDEX] = sum;`,
    realText(width),
  );
}
