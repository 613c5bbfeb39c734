import { type Binding, type Kernel, kernel } from './kernel.ts';

/**
 * How a tiled product is cut: a workgroup makes `rows` x `columns` of the result, `depth` terms at a time through workgroup
 * memory; a thread makes `perThread` of its rows and as many of its columns. All are powers of two, `perThread` is 2 or more.
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
  /** Where there are few rows: workgroup memory has `depth` terms of every column. */
  mostColumns: number;
  depth: number;
  perThread: number;
  /** Whether threads share what they load, through workgroup memory. If not, a group has but one row of threads. */
  shared: boolean;
}

/** The fastest of seven on an H100: bench/results, `tilings_128`. */
export const GPU_TILING: Tiling = { area: 4096, mostRows: 64, mostColumns: 256, depth: 16, perThread: 4, shared: true };
/** On a CPU, caches are what is shared. Barriers cost much there, and shaders with barriers take seconds to compile. */
export const SOFTWARE_TILING: Tiling = { area: 1024, mostRows: 4, mostColumns: 256, depth: 1, perThread: 4, shared: false };

/** A tile that wastes little on a result of these sizes. */
export function tileFor({ area, mostRows, mostColumns, depth, perThread, shared }: Tiling, rows: number, columns: number): Tile {
  const within = (size: number, most: number): number => Math.min(most, 2 ** Math.ceil(Math.log2(Math.max(size, perThread))));
  const tileRows = within(rows, mostRows);
  const tileColumns = within(columns, Math.min(area / tileRows, mostColumns));
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
  const per = Array.from({ length: tile.perThread }, (_, i) => i);
  const rowTiles = Math.ceil(rows / tile.rows);
  const columnTiles = Math.ceil(columns / tile.columns);
  const extra = text.arguments ? `, ${text.arguments}` : '';
  const loop = tile.shared ? sharedLoop(text, threads) : directLoop(text);

  const body = `
  let rowTile = GROUP % ${rowTiles}u * ${tile.rows}u;
  let columnTile = GROUP / ${rowTiles}u % ${columnTiles}u * ${tile.columns}u;
  let slice = GROUP / ${rowTiles * columnTiles}u;
  ${text.prepare}
${loop.before}
${loop.body}
${per
  .map(
    (j) => `  {
    let n = columnTile + ${loop.column(j)};
    let place = column(n${extra});
    if (n < ${columns}u) {
${per.map((i) => `      { let m = rowTile + ${loop.row(i)}; let value = ${loop.sum(i, j)}; if (m < ${rows}u) { ${text.store} } }`).join('\n')}
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
  /** Of a thread's part of the result: the place of its row i and column j in the tile, and the sum of both. */
  row(i: number): string;
  column(j: number): string;
  sum(i: number, j: number): string;
}

/** Every thread reads what it needs itself. */
function directLoop({ tile: { perThread, columns }, arguments: more }: ProductText): Loop {
  const per = Array.from({ length: perThread }, (_, i) => i);
  const extra = more ? `, ${more}` : '';
  const row = (i: number): string => `${i}u`;
  const column = (j: number): string => `THREAD + ${(j * columns) / perThread}u`;
  const sum = (i: number, j: number): string => `sum${i}_${j}`;
  return {
    declarations: '',
    before: `${per.map((j) => `  let column${j} = column(columnTile + ${column(j)}${extra});`).join('\n')}
${per.map((i) => per.map((j) => `  var ${sum(i, j)} = 0.0;`).join('')).join('\n')}`,
    body: `  for (var k = first; k < end; k++) {
      let own = term(k, end${extra});
${per.map((i) => `      let a${i} = left(rowTile + ${row(i)}, own${extra});`).join('\n')}
${per.map((j) => `      let b${j} = right(own, column${j}${extra});`).join('\n')}
      ${per.map((i) => per.map((j) => `${sum(i, j)} = fma(a${i}, b${j}, ${sum(i, j)});`).join(' ')).join('\n      ')}
  }`,
    bytes: 0,
    row,
    column,
    sum,
  };
}

/**
 * Threads load blocks of both matrices into workgroup memory and read them from there, `depth` terms at a time. What is read there
 * bounds the speed on a GPU (measured on an H100), so it holds vectors: a thread reads four rows or columns at once.
 */
function sharedLoop(text: ProductText, threads: number): Loop {
  const { tile } = text;
  const extra = text.arguments ? `, ${text.arguments}` : '';
  const width = Math.min(tile.perThread, 4);
  const vector = `vec${width}f`;
  // A thread has so many vectors of rows, `down` apart, and of columns, `across` apart: neighbours read neighbouring vectors.
  const vectors = Array.from({ length: tile.perThread / width }, (_, i) => i);
  const each = Array.from({ length: width }, (_, i) => i);
  const down = tile.rows / tile.perThread;
  const across = tile.columns / tile.perThread;
  const [leftSize, rightSize] = [tile.rows / width, tile.columns / width];
  // One vector more a line: threads that write one line each do not meet in a bank.
  const [leftLine, rightLine] = [leftSize + 1, rightSize + 1];
  const left = load({ name: 'left', threads, width, fast: tile.depth, slow: leftSize, alongTerms: true, line: leftLine, extra });
  const [fast, slow] = text.alongTerms ? [tile.depth, rightSize] : [rightSize, tile.depth];
  const right = load({ name: 'right', threads, width, fast, slow, alongTerms: text.alongTerms, line: rightLine, extra });
  const sums = vectors.flatMap((i) => each.flatMap((c) => vectors.map((j) => ({ i, c, j, name: `sum${i}_${c}_${j}` }))));
  const split = (i: number): [vector: number, component: number] => [Math.floor(i / width), i % width];
  return {
    declarations: `var<workgroup> leftTile: array<${vector}, ${tile.depth * leftLine}>;
var<workgroup> rightTile: array<${vector}, ${tile.depth * rightLine}>;`,
    before: `${right.before}
  let threadRow = THREAD / ${across}u;
  let threadColumn = THREAD % ${across}u;
${sums.map(({ name }) => `  var ${name} = ${vector}();`).join('\n')}`,
    body: `  for (var depth = first; depth < end; depth += ${tile.depth}u) {
${left.within}
${right.within}
    workgroupBarrier();
    for (var k = 0u; k < ${tile.depth}u; k++) {
${vectors.map((i) => `      let a${i} = leftTile[k * ${leftLine}u + threadRow + ${i * down}u];`).join('\n')}
${vectors.map((j) => `      let b${j} = rightTile[k * ${rightLine}u + threadColumn + ${j * across}u];`).join('\n')}
${sums.map(({ i, c, j, name }) => `      ${name} = fma(${vector}(a${i}[${c}]), b${j}, ${name});`).join('\n')}
    }
    workgroupBarrier();
  }`,
    bytes: 4 * width * tile.depth * (leftLine + rightLine),
    row: (i) => `(threadRow + ${split(i)[0] * down}u) * ${width}u + ${split(i)[1]}u`,
    column: (j) => `(threadColumn + ${split(j)[0] * across}u) * ${width}u + ${split(j)[1]}u`,
    sum: (i, j) => `sum${split(i).join('_')}_${split(j)[0]}[${split(j)[1]}]`,
  };
}

/**
 * The loop in which each thread loads its part of a `fast` x `slow` block of a matrix, `width` rows or columns in a vector:
 * neighbouring threads neighbouring `fast` elements. Where a thread's `fast` index is the same for all it loads, what follows from
 * it is worked out once: columns before the sum begins, terms once a step. A loop, not its text again and again: drivers take
 * seconds to compile long shaders.
 */
function load(options: {
  name: 'left' | 'right';
  threads: number;
  width: number;
  fast: number;
  slow: number;
  alongTerms: boolean;
  line: number;
  extra: string;
}) {
  const { name, threads, width, fast, slow, alongTerms, line, extra } = options;
  const fixed = threads % fast === 0;
  const element = fixed
    ? { fast: `THREAD % ${fast}u`, slow: `THREAD / ${fast}u + load * ${threads / fast}u` }
    : { fast: `(THREAD + load * ${threads}u) % ${fast}u`, slow: `(THREAD + load * ${threads}u) / ${fast}u` };
  const [k, n] = alongTerms ? [element.fast, element.slow] : [element.slow, element.fast];
  const each = Array.from({ length: width }, (_, c) => c);
  const term = `let ${name}Term = term(depth + ${k}, end${extra});`;
  const at = (c: number): string => `(${n}) * ${width}u + ${c}u`;
  const columns = name === 'right' ? each.map((c) => `let rightColumn${c} = column(columnTile + ${at(c)}${extra});`).join(' ') : '';
  const values = each.map((c) =>
    name === 'right' ? `right(rightTerm, rightColumn${c}${extra})` : `left(rowTile + ${at(c)}, leftTerm${extra})`,
  );
  const once = fixed ? (alongTerms ? term : columns) : '';
  const repeated = [term, columns].filter((statement) => statement !== once);
  const guard = fast * slow < threads ? `if (THREAD < ${fast * slow}u) ` : '';
  return {
    before: once === columns ? columns : '',
    within: `    ${once === term ? term : ''}
    ${guard}{ for (var load = 0u; load < ${Math.ceil((fast * slow) / threads)}u; load++) {
      ${repeated.join('\n      ')}
      ${name}Tile[(${k}) * ${line}u + ${n}] = vec${width}f(${values.join(', ')});
    } }`,
  };
}
