import { type Triple, triple, voxels } from '../../common/geometry.ts';
import { elementwise, type Kernel, kernel, placeIn, read, write } from '../gpu/kernel.ts';
import { upTo } from '../gpu/loop.ts';
import { type Memory, memory } from '../gpu/memory.ts';
import { type MatrixUnits, tileFor } from '../gpu/tile.ts';
import { arrange, LEAST_WORKGROUP, lineOf, loadBox } from './box.ts';
import { type Convolution, flopsOf } from './convolution.ts';
import type { Parameter } from './parameters.ts';
import { unravel, vector } from './taps.ts';

/** Runs of voxels that are loaded at once. With their neighbours they fill half of a workgroup's memory. */
const RUNS = 8;
/** Taps of a plane of the kernel: a subgroup has a sum for each in its registers. */
const MOST_TAPS = 9;
/** Workgroups that keep a large GPU busy. */
const ENOUGH_GROUPS = 1024;
/** Threads of a workgroup at most, where there is a choice. */
const MOST_THREADS = 256;

/**
 * The same as `productWeightGradient`, at stride 1; null where boxes do not do. A workgroup goes through boxes of voxels one by one. It
 * has the sums of all taps for some channels of the coarse maps and as many of the fine ones as a unit has columns: each subgroup those
 * of a plane of the kernel.
 */
export function weightGradientBox(of: Convolution, gradient: Parameter): Kernel[] | null {
  const { fine, coarse, kernel: size, stride, padding, tiling } = of;
  const { units, workgroupBytes = LEAST_WORKGROUP } = tiling;
  const plane = size[1] * size[2];
  if (units === undefined || voxels(stride) > 1 || voxels(size) === 1 || fine.channels < units.columns) return null;
  if (plane > MOST_TAPS || size[0] * units.subgroup > MOST_THREADS) return null;
  const { result, box } = boxesOf(units, size, coarse.shape);
  const bytesOf = (rows: number): number => 2 * (voxels(box) * lineOf(units.columns) + voxels(result) * lineOf(rows));
  let { rows } = tileFor(tiling, coarse.channels, tiling.mostColumns);
  while (rows > units.rows && bytesOf(rows) > workgroupBytes) rows /= 2;
  if (bytesOf(rows) > workgroupBytes) return null;
  let own = Math.min(rows, Math.max(units.rows, tiling.own[0] / 2));
  while (own < rows && (rows / own) * size[0] * units.subgroup > MOST_THREADS) own *= 2;
  const threads = (rows / own) * size[0] * units.subgroup;

  // What follows depends on the layer alone, so that tiles change no bit of a sum.
  const tiles = triple((axis) => Math.ceil(coarse.shape[axis] / result[axis]));
  const all = coarse.batch * voxels(tiles);
  const chunks = Math.ceil(fine.channels / units.columns);
  const wanted = Math.ceil(ENOUGH_GROUPS / (chunks * Math.ceil(coarse.channels / (2 * units.rows))));
  const part = Math.ceil(all / Math.min(all, wanted));
  const parts = Math.ceil(all / part);

  const taps = voxels(size);
  const rowTiles = Math.ceil(coarse.channels / rows);
  const sums: PartialSums = {
    memory: memory(`${of.name} partial weight gradient`, parts * rowTiles * rows * taps * chunks * units.columns),
    parts,
    rows: rowTiles * rows,
    columns: chunks * units.columns,
    taps,
  };
  const [fineLine, coarseLine] = [lineOf(units.columns), lineOf(rows)];
  const names = upTo(own / units.rows).flatMap((i) => upTo(plane).map((t) => ({ i, t, name: `sum${i}_${t}` })));
  const near = (t: number): number => (Math.floor(t / size[2]) * box[2] + (t % size[2])) * fineLine;
  const main = kernel({
    name: `${of.name} weight gradient`,
    bindings: [read('coarse', coarse), read('fine', fine), write('sums', sums.memory)],
    threads,
    groups: rowTiles * chunks * parts,
    declarations: `var<workgroup> fineBlock: array<f16, ${voxels(box) * fineLine}>;
var<workgroup> coarseBlock: array<f16, ${voxels(result) * coarseLine}>;`,
    workgroupBytes: bytesOf(rows),
    flops: flopsOf(of),
    body: `  let rowTile = GROUP % ${rowTiles}u * ${rows}u;
  let chunk = GROUP / ${rowTiles}u % ${chunks}u * ${units.columns}u;
  let part = GROUP / ${rowTiles * chunks}u;
  let plane = SUBGROUP % ${size[0]}u;
  let ownRow = SUBGROUP / ${size[0]}u * ${own}u;
${names.map(({ name }) => `  var ${name}: subgroup_matrix_result<f32, ${units.columns}, ${units.rows}>;`).join('\n')}
  for (var tile = part * ${part}u; tile < min(part * ${part}u + ${part}u, ${all}u); tile++) {
    let sample = tile / ${voxels(tiles)}u;
    let corner = ${unravel(`(tile % ${voxels(tiles)}u)`, tiles)} * ${vector(result)};
${loadBox({ into: 'fineBlock', box, channels: units.columns, threads, from: fine, source: 'fine', sample: 'sample', first: 'chunk', corner: `corner - ${vector(padding)}` })}
${loadBox({ into: 'coarseBlock', box: result, channels: rows, threads, from: coarse, source: 'coarse', sample: 'sample', first: 'rowTile', corner: 'corner' })}
    workgroupBarrier();
    for (var run = 0u; run < ${result[0] * result[1]}u; run++) {
      let left = run * ${units.terms * coarseLine}u + ownRow;
      let right = ((run / ${result[1]}u + plane) * ${box[1]}u + run % ${result[1]}u) * ${box[2] * fineLine}u;
${upTo(own / units.rows)
  .map(
    (i) =>
      `      let a${i} = subgroupMatrixLoad<subgroup_matrix_left<f16, ${units.terms}, ${units.rows}>, col_major>(&coarseBlock, left + ${i * units.rows}u, ${coarseLine}u);`,
  )
  .join('\n')}
${upTo(plane)
  .map(
    (
      t,
    ) => `      let b${t} = subgroupMatrixLoad<subgroup_matrix_right<f16, ${units.columns}, ${units.terms}>, row_major>(&fineBlock, right + ${near(t)}u, ${fineLine}u);
${upTo(own / units.rows)
  .map((i) => `      sum${i}_${t} = subgroupMatrixMultiplyAccumulate(a${i}, b${t}, sum${i}_${t});`)
  .join('\n')}`,
  )
  .join('\n')}
    }
    workgroupBarrier();
  }
${names
  .map(
    ({ i, t, name }) =>
      `  subgroupMatrixStore<row_major>(&sums, ((part * ${sums.rows}u + rowTile + ownRow + ${i * units.rows}u) * ${taps}u + plane * ${plane}u + ${t}u) * ${sums.columns}u + chunk, ${name}, ${taps * sums.columns}u);`,
  )
  .join('\n')}`,
  });
  return [main, sumParts(`${of.name} weight gradient sum`, sums, coarse.channels, fine.channels, gradient)];
}

/** Voxels of the coarse maps that are loaded at once, and those of the fine maps that meet them in a tap. */
function boxesOf(units: MatrixUnits, size: Triple, shape: Triple): { result: Triple; box: Triple } {
  let runs = RUNS;
  for (;;) {
    const result: Triple = [...arrange(runs, shape), units.terms];
    const box = triple((axis) => result[axis] + size[axis] - 1);
    if (runs === 1 || 2 * (voxels(box) * lineOf(units.columns) + voxels(result) * lineOf(units.rows)) <= LEAST_WORKGROUP)
      return { result, box };
    runs /= 2;
  }
}

/** [part, coarse channel, tap, fine channel], in whole tiles. */
interface PartialSums {
  memory: Memory;
  parts: number;
  rows: number;
  taps: number;
  columns: number;
}

/** gradient[coarse channel, fine channel, tap] = the sum of the parts. */
function sumParts(
  name: string,
  { memory, parts, rows, taps, columns }: PartialSums,
  coarse: number,
  fine: number,
  gradient: Parameter,
): Kernel {
  return elementwise(
    name,
    coarse * fine * taps,
    [read('sums', memory), write('gradient', gradient)],
    `let c = INDEX % ${fine}u; let tap = INDEX / ${fine}u % ${taps}u; let m = INDEX / ${fine * taps}u;
  var sum = 0.0;
  for (var part = 0u; part < ${parts}u; part++) { sum += sums[((part * ${rows}u + m) * ${taps}u + tap) * ${columns}u + c]; }
  gradient[${placeIn(gradient)}u + (m * ${fine}u + c) * ${taps}u + tap] = sum;`,
  );
}
