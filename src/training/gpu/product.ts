import { type Binding, type Kernel, kernel } from './kernel.ts';

/**
 * How a tiled product is cut: a workgroup makes `rows` x `columns` of the result, `depth` terms at a time through workgroup
 * memory; a thread makes `perThread` of its rows and as many of its columns. All are powers of two.
 */
export interface Tile {
  rows: number;
  columns: number;
  depth: number;
  perThread: number;
  shared: boolean;
}

/** What decides tiles. */
export interface Tiling {
  /** Elements of a workgroup's part of the result. */
  area: number;
  mostRows: number;
  depth: number;
  perThread: number;
  /** Whether threads share what they load, through workgroup memory. If not, a group has but one row of threads. */
  shared: boolean;
}

export const GPU_TILING: Tiling = { area: 4096, mostRows: 64, depth: 16, perThread: 4, shared: true };
/** On a CPU, caches are what is shared. Barriers cost much there, and shaders with barriers take seconds to compile. */
export const SOFTWARE_TILING: Tiling = { area: 1024, mostRows: 4, depth: 1, perThread: 4, shared: false };

/** A tile that wastes little on a result of these sizes. */
export function tileFor({ area, mostRows, depth, perThread, shared }: Tiling, rows: number, columns: number): Tile {
  const within = (size: number, most: number): number => Math.min(most, 2 ** Math.ceil(Math.log2(Math.max(size, perThread))));
  const tileRows = within(rows, mostRows);
  const tileColumns = within(columns, area / tileRows);
  return { rows: tileRows, columns: tileColumns, depth, perThread, shared };
}

/** The matrices, as WGSL. `Term` holds what is known of a term, `Column` of a column: worked out once, used for many elements. */
export interface ProductText {
  name: string;
  bindings: Binding[];
  rows: number;
  columns: number;
  /** Independent products of the same sizes: samples, phases of a stride, parts of a sum. `slice` names one. */
  slices: number;
  /** Statements that may declare things from `slice`; must set `first` and `end`, the range of terms. */
  prepare: string;
  /** Structs Term and Column, and functions term(k, …), column(n, …), left(m, Term) and right(Term, Column). */
  declarations: string;
  /** Further arguments of the functions, as declared in `prepare`. */
  arguments?: string;
  /** Neighbouring threads load neighbouring terms of the right matrix, not columns. */
  alongTerms: boolean;
  /** The statement that stores `value` of row `m`, column `n` (`place`: its Column). */
  store: string;
  tile: Tile;
}

/**
 * result[m, n] = sum over k of left[m, k] * right[k, n]: the one loop behind every convolution, whatever the matrices are. Sums are
 * in float32 and in a fixed order: the same on every run.
 */
export function product(text: ProductText): Kernel {
  const { tile, rows, columns } = text;
  const threads = (tile.rows / tile.perThread) * (tile.columns / tile.perThread);
  const across = tile.columns / tile.perThread;
  const per = Array.from({ length: tile.perThread }, (_, i) => i);
  const rowTiles = Math.ceil(rows / tile.rows);
  const columnTiles = Math.ceil(columns / tile.columns);
  const extra = text.arguments ? `, ${text.arguments}` : '';
  const sums = per.map((i) => per.map((j) => `sum${i}_${j} = fma(a${i}, b${j}, sum${i}_${j});`).join(' ')).join('\n      ');
  const loop = tile.shared ? sharedLoop(text, threads, sums) : directLoop(text, sums);

  const body = `
  let rowTile = GROUP % ${rowTiles}u * ${tile.rows}u;
  let columnTile = GROUP / ${rowTiles}u % ${columnTiles}u * ${tile.columns}u;
  let slice = GROUP / ${rowTiles * columnTiles}u;
  ${text.prepare}
${loop.before}
  let threadRow = THREAD / ${across}u * ${tile.perThread}u;
  let threadColumn = THREAD % ${across}u;
${per.map((i) => per.map((j) => `  var sum${i}_${j} = 0.0;`).join('')).join('\n')}
${loop.body}
${per
  .map(
    (j) => `  {
    let n = columnTile + threadColumn + ${j * across}u;
    let place = column(n${extra});
    if (n < ${columns}u) {
${per.map((i) => `      { let m = rowTile + threadRow + ${i}u; let value = sum${i}_${j}; if (m < ${rows}u) { ${text.store} } }`).join('\n')}
    }
  }`,
  )
  .join('\n')}`;
  return kernel({
    name: text.name,
    bindings: text.bindings,
    threads,
    groups: rowTiles * columnTiles * text.slices,
    declarations: `${text.declarations}\n${loop.declarations}`,
    body,
    workgroupBytes: loop.bytes,
  });
}

interface Loop {
  declarations: string;
  /** Statements before the loop over terms. */
  before: string;
  body: string;
  /** Of workgroup memory. */
  bytes: number;
}

/** Every thread reads what it needs itself. */
function directLoop({ tile: { perThread, columns }, arguments: more }: ProductText, sums: string): Loop {
  const per = Array.from({ length: perThread }, (_, i) => i);
  const extra = more ? `, ${more}` : '';
  return {
    declarations: '',
    before: per.map((j) => `  let column${j} = column(columnTile + THREAD + ${(j * columns) / perThread}u${extra});`).join('\n'),
    body: `  for (var k = first; k < end; k++) {
      let own = term(k, end${extra});
${per.map((i) => `      let a${i} = left(rowTile + ${i}u, own${extra});`).join('\n')}
${per.map((j) => `      let b${j} = right(own, column${j}${extra});`).join('\n')}
      ${sums}
  }`,
    bytes: 0,
  };
}

/** Threads load blocks of both matrices into workgroup memory and read them from there, `depth` terms at a time. */
function sharedLoop(text: ProductText, threads: number, sums: string): Loop {
  const { tile } = text;
  const extra = text.arguments ? `, ${text.arguments}` : '';
  const per = Array.from({ length: tile.perThread }, (_, i) => i);
  // One element more a line: threads that write one line each do not meet in a bank.
  const leftLine = tile.rows + 1;
  const rightLine = tile.columns + 1;
  const left = load({ name: 'left', threads, fast: tile.depth, slow: tile.rows, alongTerms: true, line: leftLine, extra });
  const [fast, slow] = text.alongTerms ? [tile.depth, tile.columns] : [tile.columns, tile.depth];
  const right = load({ name: 'right', threads, fast, slow, alongTerms: text.alongTerms, line: rightLine, extra });
  return {
    declarations: `var<workgroup> leftTile: array<f32, ${tile.depth * leftLine}>;
var<workgroup> rightTile: array<f32, ${tile.depth * rightLine}>;`,
    before: right.before,
    body: `  for (var depth = first; depth < end; depth += ${tile.depth}u) {
${left.within}
${right.within}
    workgroupBarrier();
    for (var k = 0u; k < ${tile.depth}u; k++) {
      let leftAt = k * ${leftLine}u + threadRow;
      let rightAt = k * ${rightLine}u + threadColumn;
${per.map((i) => `      let a${i} = leftTile[leftAt + ${i}u];`).join('\n')}
${per.map((j) => `      let b${j} = rightTile[rightAt + ${(j * tile.columns) / tile.perThread}u];`).join('\n')}
      ${sums}
    }
    workgroupBarrier();
  }`,
    bytes: 4 * tile.depth * (leftLine + rightLine),
  };
}

/**
 * The loop in which each thread loads its part of a `fast` x `slow` block of a matrix: neighbouring threads neighbouring `fast`
 * elements. Where a thread's `fast` index is the same for all it loads, what follows from it is worked out once: columns before
 * the sum begins, terms once a step. A loop, not its text again and again: drivers take seconds to compile long shaders.
 */
function load(options: {
  name: 'left' | 'right';
  threads: number;
  fast: number;
  slow: number;
  alongTerms: boolean;
  line: number;
  extra: string;
}) {
  const { name, threads, fast, slow, alongTerms, line, extra } = options;
  const fixed = threads % fast === 0;
  const element = fixed
    ? { fast: `THREAD % ${fast}u`, slow: `THREAD / ${fast}u + load * ${threads / fast}u` }
    : { fast: `(THREAD + load * ${threads}u) % ${fast}u`, slow: `(THREAD + load * ${threads}u) / ${fast}u` };
  const [k, n] = alongTerms ? [element.fast, element.slow] : [element.slow, element.fast];
  const term = `let ${name}Term = term(depth + ${k}, end${extra});`;
  const column = name === 'right' ? `let rightColumn = column(columnTile + ${n}${extra});` : '';
  const value = name === 'right' ? `right(rightTerm, rightColumn${extra})` : `left(rowTile + ${n}, leftTerm${extra})`;
  const once = fixed ? (alongTerms ? term : column) : '';
  const each = [term, column].filter((statement) => statement !== once);
  const guard = fast * slow < threads ? `if (THREAD < ${fast * slow}u) ` : '';
  return {
    before: once === column ? column : '',
    within: `    ${once === term ? term : ''}
    ${guard}{ for (var load = 0u; load < ${Math.ceil((fast * slow) / threads)}u; load++) {
      ${each.join('\n      ')}
      ${name}Tile[(${k}) * ${line}u + ${n}] = ${value};
    } }`,
  };
}
