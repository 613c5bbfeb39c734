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
}

/** What decides tiles. Barriers are cheap on a GPU; a software Vulkan wants small groups. */
export interface Tiling {
  /** Elements of a workgroup's part of the result. */
  area: number;
  mostRows: number;
  depth: number;
  perThread: number;
}

export const GPU_TILING: Tiling = { area: 4096, mostRows: 64, depth: 16, perThread: 4 };
export const SOFTWARE_TILING: Tiling = { area: 1024, mostRows: 32, depth: 16, perThread: 4 };

/** A tile that wastes little on a result of these sizes. */
export function tileFor({ area, mostRows, depth, perThread }: Tiling, rows: number, columns: number): Tile {
  const within = (size: number, most: number): number => Math.min(most, 2 ** Math.ceil(Math.log2(Math.max(size, perThread))));
  const tileRows = within(rows, mostRows);
  const tileColumns = within(columns, area / tileRows);
  return { rows: tileRows, columns: tileColumns, depth, perThread };
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
  // One element more a line: threads that write one line each do not meet in a bank.
  const leftLine = tile.rows + 1;
  const rightLine = tile.columns + 1;

  const leftLoads = spread(threads, tile.depth, tile.rows);
  const [fast, slow] = text.alongTerms ? [tile.depth, tile.columns] : [tile.columns, tile.depth];
  const rightLoads = spread(threads, fast, slow).map((load) =>
    text.alongTerms ? { ...load, k: load.fast, n: load.slow } : { ...load, k: load.slow, n: load.fast },
  );
  const columnOf = names(
    'column',
    rightLoads.map(({ n }) => n),
  );
  const leftTermOf = names(
    'leftTerm',
    leftLoads.map(({ fast: k }) => k),
  );
  const rightTermOf = names(
    'rightTerm',
    rightLoads.map(({ k }) => k),
  );
  const terms = (found: Map<string, string>): string =>
    [...found].map(([k, name]) => `    let ${name} = term(depth + ${k}, end${extra});`).join('\n');

  const body = `
  let rowTile = GROUP % ${rowTiles}u * ${tile.rows}u;
  let columnTile = GROUP / ${rowTiles}u % ${columnTiles}u * ${tile.columns}u;
  let slice = GROUP / ${rowTiles * columnTiles}u;
  ${text.prepare}
${[...columnOf].map(([n, name]) => `  let ${name} = column(columnTile + ${n}${extra});`).join('\n')}
  let threadRow = THREAD / ${across}u * ${tile.perThread}u;
  let threadColumn = THREAD % ${across}u;
${per.map((i) => per.map((j) => `  var sum${i}_${j} = 0.0;`).join('')).join('\n')}
  for (var depth = first; depth < end; depth += ${tile.depth}u) {
${terms(leftTermOf)}
${leftLoads.map(({ fast: k, slow: m, guard }) => `    ${guard}{ leftTile[(${k}) * ${leftLine}u + ${m}] = left(rowTile + ${m}, ${leftTermOf.get(k)}${extra}); }`).join('\n')}
${terms(rightTermOf)}
${rightLoads.map(({ k, n, guard }) => `    ${guard}{ rightTile[(${k}) * ${rightLine}u + ${n}] = right(${rightTermOf.get(k)}, ${columnOf.get(n)}${extra}); }`).join('\n')}
    workgroupBarrier();
    for (var k = 0u; k < ${tile.depth}u; k++) {
      let leftAt = k * ${leftLine}u + threadRow;
      let rightAt = k * ${rightLine}u + threadColumn;
${per.map((i) => `      let a${i} = leftTile[leftAt + ${i}u];`).join('\n')}
${per.map((j) => `      let b${j} = rightTile[rightAt + ${j * across}u];`).join('\n')}
${per.map((i) => per.map((j) => `      sum${i}_${j} = fma(a${i}, b${j}, sum${i}_${j});`).join('\n')).join('\n')}
    }
    workgroupBarrier();
  }
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
  const cells = tile.depth * (leftLine + rightLine);
  return kernel({
    name: text.name,
    bindings: text.bindings,
    threads,
    groups: rowTiles * columnTiles * text.slices,
    declarations: `${text.declarations}
var<workgroup> leftTile: array<f32, ${tile.depth * leftLine}>;
var<workgroup> rightTile: array<f32, ${tile.depth * rightLine}>;`,
    body,
    workgroupBytes: 4 * cells,
  });
}

/** Which elements of a `fast` x `slow` block the thread THREAD loads: neighbouring threads neighbouring `fast` ones. */
function spread(threads: number, fast: number, slow: number): { fast: string; slow: string; guard: string }[] {
  const loads = Math.ceil((fast * slow) / threads);
  const guard = fast * slow < threads ? `if (THREAD < ${fast * slow}u) ` : '';
  return Array.from({ length: loads }, (_, i) =>
    threads >= fast
      ? { fast: `THREAD % ${fast}u`, slow: `(THREAD / ${fast}u + ${(i * threads) / fast}u)`, guard }
      : { fast: `(THREAD + ${(i % (fast / threads)) * threads}u)`, slow: `${Math.floor((i * threads) / fast)}u`, guard },
  );
}

/** A variable's name for each expression that occurs. */
function names(prefix: string, expressions: readonly string[]): Map<string, string> {
  return new Map([...new Set(expressions)].map((expression, i) => [expression, `${prefix}${i}`]));
}
