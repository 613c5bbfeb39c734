import { extraOf, type Loop, type ProductText, upTo } from './loop.ts';

/**
 * Threads load blocks of both matrices into workgroup memory and read them from there, `depth` terms at a time. What is read there
 * bounds the speed on a GPU (measured on an H100), so it holds vectors: a thread reads four rows or columns at once.
 */
export function sharedLoop(text: ProductText): Loop {
  const { tile } = text;
  const [perThread] = tile.own;
  const threads = (tile.rows / perThread) * (tile.columns / perThread);
  const extra = extraOf(text);
  const width = Math.min(perThread, 4);
  const vector = `vec${width}f`;
  // A thread has so many vectors of rows, `down` apart, and of columns, `across` apart: neighbours read neighbouring vectors. What is
  // in one vector is a part of the tile apart, so that neighbours also load and store neighbouring columns of the maps.
  const vectors = upTo(perThread / width);
  const each = upTo(width);
  const down = tile.rows / perThread;
  const across = tile.columns / perThread;
  const [leftSize, rightSize] = [tile.rows / width, tile.columns / width];
  // One vector more a line: threads that write one line each do not meet in a bank.
  const [leftLine, rightLine] = [leftSize + 1, rightSize + 1];
  const left =
    text.leftWidth === 4
      ? loadWideLeft({ threads, width, depth: tile.depth, size: leftSize, line: leftLine, extra })
      : load({ name: 'left', threads, width, fast: tile.depth, slow: leftSize, alongTerms: true, line: leftLine, extra });
  const [fast, slow] = text.alongTerms ? [tile.depth, rightSize] : [rightSize, tile.depth];
  const right = load({ name: 'right', threads, width, fast, slow, alongTerms: text.alongTerms, line: rightLine, extra });
  const sums = vectors.flatMap((i) => each.flatMap((c) => vectors.map((j) => ({ i, c, j, name: `sum${i}_${c}_${j}` }))));
  const split = (i: number): [vector: number, component: number] => [Math.floor(i / width), i % width];
  const all = upTo(perThread);
  const row = (i: number): string => `threadRow + ${split(i)[0] * down + split(i)[1] * leftSize}u`;
  const column = (j: number): string => `threadColumn + ${split(j)[0] * across + split(j)[1] * rightSize}u`;
  const sum = (i: number, j: number): string => `sum${split(i).join('_')}_${split(j)[0]}[${split(j)[1]}]`;
  return {
    threads,
    value: 'f32',
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
    results: (put) => all.map((j) => put.column(column(j), all.map((i) => put.element(row(i), sum(i, j))).join('\n'))).join('\n'),
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
  const size = alongTerms ? slow : fast;
  const [k, n] = alongTerms ? [element.fast, element.slow] : [element.slow, element.fast];
  const each = upTo(width);
  const term = `let ${name}Term = term(depth + ${k}, end${extra});`;
  const at = (c: number): string => `(${n}) + ${c * size}u`;
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

/** The same of the left matrix, where four terms are read at once: of each of a vector's rows, and turned into vectors of rows. */
function loadWideLeft(options: { threads: number; width: number; depth: number; size: number; line: number; extra: string }) {
  const { threads, width, depth, size, line, extra } = options;
  const loads = (depth / 4) * size;
  const index = `(THREAD + load * ${threads}u)`;
  const [k, n] = [`${index} % ${depth / 4}u * 4u`, `${index} / ${depth / 4}u`];
  const each = upTo(width);
  const quads = each.map((c) => `let quad${c} = left4(rowTile + ${n} + ${c * size}u, depth + ${k}, end${extra});`);
  const vectors = [0, 1, 2, 3].map(
    (t) => `leftTile[(${k} + ${t}u) * ${line}u + ${n}] = vec${width}f(${each.map((c) => `quad${c}[${t}]`).join(', ')});`,
  );
  return {
    within: `    for (var load = 0u; load < ${Math.ceil(loads / threads)}u; load++) {
      if (${index} >= ${loads}u) { break; }
      ${[...quads, ...vectors].join('\n      ')}
    }`,
  };
}
