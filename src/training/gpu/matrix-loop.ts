import { extraOf, type Loop, type ProductText, upTo } from './loop.ts';
import type { MatrixUnits, Tile } from './tile.ts';

/** Elements that lines of workgroup memory are longer than what they hold: 16 bytes, so that matrices of neighbouring lines do not meet in banks. */
const PAD = 8;

/** Of a `Column`: two numbers. */
const COLUMN_BYTES = 8;

/**
 * Subgroups multiply blocks of float16 on matrix units, and sum up in float32. Blocks lie in workgroup memory twice: while the units
 * multiply one, the next is on its way. Whoever uses this must have `Gpu.units`.
 */
export function matrixLoop(text: ProductText): Loop {
  const { tile, alongTerms, leftWidth } = text;
  const { rows, columns, depth, own } = tile;
  const units = tile.units as MatrixUnits;
  const { terms: K, subgroup } = units;
  const across = columns / own[1];
  const subgroups = (rows / own[0]) * across;
  const threads = subgroups * subgroup;
  const [down, along] = [upTo(own[0] / units.rows), upTo(own[1] / units.columns)];
  const sum = (i: number, j: number): string => `sum${i}_${j}`;
  const leftLine = depth + PAD;
  const extra = extraOf(text);
  const left = leftWidth === 4 ? wideLeftBlock(tile, threads, extra) : leftBlock(tile, threads, extra);
  const right = alongTerms ? rightAlongTerms(tile, threads, extra) : rightAlongColumns(tile, threads, extra);
  const unitSize = units.rows * units.columns;
  // Neighbouring threads have neighbouring terms.
  const term = (at: string): string =>
    alongTerms || leftWidth === 1 ? `    let ownTerm = term(${at} + THREAD % ${depth}u, end${extra});\n` : '';
  const load = (at: string): string => `${term(at)}${left.load(at)}\n${right.load(at)}`;
  const keep = (half: string): string => `${left.keep(half)}\n${right.keep(half)}`;
  const matrix = (kind: string, [width, height]: [number, number]): string => `subgroup_matrix_${kind}<f16, ${width}, ${height}>`;
  const leftOf = (i: number, k: number): string =>
    `subgroupMatrixLoad<${matrix('left', [K, units.rows])}, row_major>(&leftBlocks, half * ${left.size}u + (ownRow + ${i * units.rows}u) * ${leftLine}u + ${k * K}u, ${leftLine}u)`;
  const rightOf = (j: number, k: number): string => {
    const [line, column] = [`ownColumn + ${j * units.columns}u`, `${k * K}u`];
    const at = alongTerms ? `(${line}) * ${right.line}u + ${column}` : `${column} * ${right.line}u + ${line}`;
    return `subgroupMatrixLoad<${matrix('right', [units.columns, K])}, ${alongTerms ? 'col_major' : 'row_major'}>(&rightBlocks, half * ${right.size}u + ${at}, ${right.line}u)`;
  };
  return {
    threads,
    value: 'f16',
    declarations: `var<workgroup> leftBlocks: array<f16, ${2 * left.size}>;
var<workgroup> rightBlocks: array<f16, ${2 * right.size}>;
var<workgroup> results: array<f32, ${subgroups * unitSize}>;
${right.declarations}`,
    before: `  let ownRow = SUBGROUP / ${across}u * ${own[0]}u;
  let ownColumn = SUBGROUP % ${across}u * ${own[1]}u;
${right.before}
${down.map((i) => along.map((j) => `  var ${sum(i, j)}: subgroup_matrix_result<f32, ${units.columns}, ${units.rows}>;`).join('\n')).join('\n')}
  var half = 0u;
  {
${load('first')}
${keep('half')}
  }
  workgroupBarrier();`,
    // Whatever a step writes was read for the last time before the barrier.
    body: `  for (var depth = first; depth < end; depth += ${depth}u) {
    let next = depth + ${depth}u;
${load('next')}
${upTo(depth / K)
  .map(
    (k) => `    {
${down.map((i) => `      let a${i} = ${leftOf(i, k)};`).join('\n')}
${along.map((j) => `      let b${j} = ${rightOf(j, k)};`).join('\n')}
${down.map((i) => along.map((j) => `      ${sum(i, j)} = subgroupMatrixMultiplyAccumulate(a${i}, b${j}, ${sum(i, j)});`).join('\n')).join('\n')}
    }`,
  )
  .join('\n')}
    half = 1u - half;
${keep('half')}
    workgroupBarrier();
  }`,
    bytes: 2 * 2 * (left.size + right.size) + 4 * subgroups * unitSize + right.bytes,
    // Only the units know which thread has which element: results go through workgroup memory, a matrix of each subgroup at a time.
    results: (put) =>
      down
        .flatMap((i) =>
          along.map(
            (j) => `  subgroupMatrixStore<row_major>(&results, SUBGROUP * ${unitSize}u, ${sum(i, j)}, ${units.columns}u);
  workgroupBarrier();
  for (var element = LANE; element < ${unitSize}u; element += ${subgroup}u) {
${put.column(
  `ownColumn + ${j * units.columns}u + element % ${units.columns}u`,
  put.element(`ownRow + ${i * units.rows}u + element / ${units.columns}u`, `results[SUBGROUP * ${unitSize}u + element]`),
)}
  }
  workgroupBarrier();`,
          ),
        )
        .join('\n'),
  };
}

/** A block of a matrix on its way: values in registers, then in one half of an array of workgroup memory. */
interface Block {
  /** Elements of one half, and of a line of it. */
  size: number;
  line: number;
  /** What is worked out once, and where it is kept; `bytes` of workgroup memory. */
  declarations: string;
  bytes: number;
  before: string;
  /** Statements that read the terms from `at` on. */
  load(at: string): string;
  keep(half: string): string;
}

/** [row, term]. Neighbouring threads load neighbouring terms: `ownTerm`. */
function leftBlock({ rows, depth }: Tile, threads: number, extra: string): Block {
  const line = depth + PAD;
  const size = rows * line;
  const { row, loads, guard } = linesOf(rows, depth, threads);
  return {
    size,
    line,
    declarations: '',
    bytes: 0,
    before: '',
    load: () => loads.map((i) => `    let left${i} = left(rowTile + ${row(i)}, ownTerm${extra});`).join('\n'),
    keep: (half) =>
      guard(loads.map((i) => `    leftBlocks[${half} * ${size}u + (${row(i)}) * ${line}u + THREAD % ${depth}u] = left${i};`).join('\n')),
  };
}

/** The same, four terms at once. */
function wideLeftBlock({ rows, depth }: Tile, threads: number, extra: string): Block {
  const line = depth + PAD;
  const size = rows * line;
  const { row, loads, guard } = linesOf(rows, depth / 4, threads);
  const own = `THREAD % ${depth / 4}u * 4u`;
  return {
    size,
    line,
    declarations: '',
    bytes: 0,
    before: '',
    load: (at) => loads.map((i) => `    let quad${i} = left4(rowTile + ${row(i)}, ${at} + ${own}, end${extra});`).join('\n'),
    keep: (half) =>
      guard(
        loads
          .flatMap((i) =>
            upTo(4).map((c) => `    leftBlocks[${half} * ${size}u + (${row(i)}) * ${line}u + ${own} + ${c}u] = quad${i}[${c}];`),
          )
          .join('\n'),
      ),
  };
}

/** [column, term]. Neighbouring threads load neighbouring terms, `ownTerm`, of many columns: what is known of those lies in workgroup memory. */
function rightAlongTerms({ columns, depth }: Tile, threads: number, extra: string): Block {
  const line = depth + PAD;
  const size = columns * line;
  const { row: column, loads, guard } = linesOf(columns, depth, threads);
  return {
    size,
    line,
    declarations: `var<workgroup> columnTable: array<Column, ${columns}>;`,
    bytes: COLUMN_BYTES * columns,
    before: `  for (var n = THREAD; n < ${columns}u; n += ${threads}u) { columnTable[n] = column(columnTile + n${extra}); }
  workgroupBarrier();`,
    load: () => loads.map((i) => `    let right${i} = right(ownTerm, columnTable[${column(i)}]${extra});`).join('\n'),
    keep: (half) =>
      guard(
        loads.map((i) => `    rightBlocks[${half} * ${size}u + (${column(i)}) * ${line}u + THREAD % ${depth}u] = right${i};`).join('\n'),
      ),
  };
}

/** [term, column]. Neighbouring threads load neighbouring columns, always the same ones: what follows from those is worked out once. */
function rightAlongColumns({ columns, depth, units }: Tile, threads: number, extra: string): Block {
  const line = columns + PAD;
  const size = depth * line;
  const width = Math.min((units as MatrixUnits).subgroup, columns);
  const { row: term, loads, guard } = linesOf(depth, width, threads);
  const each = upTo(columns / width);
  const column = (j: number): string => `THREAD % ${width}u + ${j * width}u`;
  return {
    size,
    line,
    declarations: '',
    bytes: 0,
    before: each.map((j) => `  let column${j} = column(columnTile + ${column(j)}${extra});`).join('\n'),
    load: (at) =>
      loads
        .map(
          (i) => `    let rightTerm${i} = term(${at} + ${term(i)}, end${extra});
${each.map((j) => `    let right${i}_${j} = right(rightTerm${i}, column${j}${extra});`).join('\n')}`,
        )
        .join('\n'),
    keep: (half) =>
      guard(
        loads
          .flatMap((i) => each.map((j) => `    rightBlocks[${half} * ${size}u + (${term(i)}) * ${line}u + ${column(j)}] = right${i}_${j};`))
          .join('\n'),
      ),
  };
}

/** Threads share `lines` lines of `width` elements: which ones a thread has at its place in the line, and what keeps idle threads out. */
function linesOf(lines: number, width: number, threads: number) {
  const atOnce = threads / width;
  return {
    row: (i: number): string => `THREAD / ${width}u + ${i * atOnce}u`,
    loads: upTo(Math.max(1, lines / atOnce)),
    guard: (statements: string): string => (lines < atOnce ? `    if (THREAD < ${lines * width}u) {\n${statements}\n    }` : statements),
  };
}
