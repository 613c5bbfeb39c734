import { triple, voxels } from '../../common/geometry.ts';
import { type Kernel, placeIn, read, write } from '../gpu/kernel.ts';
import { place } from '../gpu/memory.ts';
import { product } from '../gpu/product.ts';
import { tileFor } from '../gpu/tile.ts';
import { wide, widthFor } from '../gpu/wide.ts';
import { type Convolution, flopsOf, put, withBias } from './convolution.ts';
import type { Parameter } from './parameters.ts';
import { nearFunctions, ravel, unravel, vector } from './taps.ts';

/** coarse = weights * fine (+ bias): a convolution forward, or the data gradient of a transposed one. */
export function gatherProduct(of: Convolution, weights: Parameter, bias: Parameter | null, accumulate: boolean): Kernel {
  const { fine, coarse, kernel, stride, padding, tiling } = of;
  const columns = voxels(coarse.shape);
  const terms = fine.channels * voxels(kernel);
  const leftWidth = tiling.wideLeft ? widthFor(terms, placeIn(weights)) : 1;
  const value = withBias('value', weights, bias, leftWidth);
  return product({
    name: `${of.name} gather`,
    bindings: [...wide(leftWidth, read('weights', weights)), read('fine', fine), write('coarse', coarse)],
    rows: coarse.channels,
    columns,
    slices: coarse.batch,
    prepare: `let sample = slice; let first = 0u; let end = ${terms}u;`,
    arguments: 'sample',
    declarations: `${nearFunctions(kernel)}
struct Term { flat: u32, offset: u32, needs: u32 }
struct Column { offset: u32, near: u32 }
fn term(k: u32, end: u32, sample: u32) -> Term {
  if (k >= end) { return Term(0u, 0u, NEVER); }
  let tap = ${unravel(`(k % ${voxels(kernel)}u)`, kernel)};
  return Term(k, k / ${voxels(kernel)}u * ${voxels(fine.shape)}u + ${ravel('tap', fine.shape)}, needs(tap));
}
fn column(n: u32, sample: u32) -> Column {
  if (n >= ${columns}u) { return Column(0u, 0u); }
  let corner = ${unravel('n', coarse.shape)} * ${vector(stride)} - ${vector(padding)};
  return Column(${place(fine, 'sample', '0u', ravel('corner', fine.shape))}, near(corner, ${vector(kernel)}, ${vector(fine.shape)}));
}
${
  leftWidth === 4
    ? `fn left4(m: u32, k: u32, end: u32, sample: u32) -> vec4<Value> {
  if (m >= ${coarse.channels}u || k >= end) { return vec4<Value>(); }
  return vec4<Value>(weights[(${placeIn(weights)}u + m * ${terms}u + k) / 4u]);
}`
    : `fn left(m: u32, term: Term, sample: u32) -> Value {
  if (m >= ${coarse.channels}u || term.needs == NEVER) { return Value(0.0); }
  return Value(weights[${placeIn(weights)}u + m * ${terms}u + term.flat]);
}`
}
fn right(term: Term, column: Column, sample: u32) -> Value {
  if ((column.near & term.needs) != term.needs) { return Value(0.0); }
  return Value(fine[column.offset + term.offset]);
}`,
    leftWidth,
    alongTerms: false,
    store: `let at = ${place(coarse, 'sample', 'm', 'n')}; ${put('coarse', coarse, value, accumulate)}`,
    flops: flopsOf(of),
    tile: tileFor(tiling, coarse.channels, columns),
  });
}

/**
 * fine = weights^T * coarse (+ bias): the data gradient of a convolution, or a transposed one forward. Voxels that lie alike to
 * the stride's grid meet the same taps of the kernel: they make one slice ("phase"), which sums over those taps alone.
 */
export function scatterProduct(of: Convolution, weights: Parameter, bias: Parameter | null, accumulate: boolean): Kernel {
  const { fine, coarse, kernel, stride, padding, tiling } = of;
  const phases = voxels(stride);
  const counted = triple((axis) => Math.ceil(fine.shape[axis] / stride[axis]));
  const columns = voxels(counted);
  const value = withBias('value', weights, bias, 1);
  // Where every phase meets equally many taps, their number is a constant, which compilers divide by cheaply.
  const even = [0, 1, 2].every((axis) => kernel[axis] % stride[axis] === 0);
  const evenTaps = vector(triple((axis) => kernel[axis] / stride[axis]));
  const taps = even ? evenTaps : `max((${vector(kernel)} - rest + ${vector(stride)} - 1) / ${vector(stride)}, vec3i(0))`;
  return product({
    name: `${of.name} scatter`,
    bindings: [read('weights', weights), read('coarse', coarse), write('fine', fine)],
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
    declarations: `${nearFunctions(kernel)}
struct Phase { sample: u32, offset: vec3i, rest: vec3i, taps: vec3i }
struct Term { flat: u32, offset: u32, needs: u32 }
struct Column { offset: u32, near: u32 }
fn term(k: u32, end: u32, phase: Phase) -> Term {
  if (k >= end) { return Term(0u, 0u, NEVER); }
  let taps = ${even ? evenTaps : 'phase.taps'};
  let count = u32(taps.x * taps.y * taps.z);
  let step = i32(k % count);
  // Steps go up in the coarse maps, and so down in the kernel.
  let up = vec3i(step / (taps.y * taps.z), step / taps.z % taps.y, step % taps.z);
  let tap = phase.rest + (taps - 1 - up) * ${vector(stride)};
  let channel = k / count;
  return Term(channel * ${fine.channels * voxels(kernel)}u + ${ravel('tap', kernel)}, channel * ${voxels(coarse.shape)}u + ${ravel('up', coarse.shape)}, needs(up));
}
fn column(n: u32, phase: Phase) -> Column {
  let at = ${unravel('n', counted)} * ${vector(stride)} + phase.offset;
  if (n >= ${columns}u || any(at >= ${vector(fine.shape)})) { return Column(0u, 0u); }
  let corner = (at + ${vector(padding)} - phase.rest) / ${vector(stride)} - (phase.taps - 1);
  return Column(${place(coarse, 'phase.sample', '0u', ravel('corner', coarse.shape))}, near(corner, phase.taps, ${vector(coarse.shape)}));
}
fn left(m: u32, term: Term, phase: Phase) -> Value {
  if (m >= ${fine.channels}u || term.needs == NEVER) { return Value(0.0); }
  return Value(weights[${placeIn(weights)}u + m * ${voxels(kernel)}u + term.flat]);
}
fn right(term: Term, column: Column, phase: Phase) -> Value {
  if ((column.near & term.needs) != term.needs) { return Value(0.0); }
  return Value(coarse[column.offset + term.offset]);
}`,
    leftWidth: 1,
    alongTerms: false,
    store: `let to = ${unravel('n', counted)} * ${vector(stride)} + offset;
      if (all(to < ${vector(fine.shape)})) { let at = ${place(fine, 'sample', 'm', ravel('to', fine.shape))}; ${put('fine', fine, value, accumulate)} }`,
    flops: flopsOf(of),
    tile: tileFor(tiling, fine.channels, columns),
  });
}
