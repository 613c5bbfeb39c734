import { extraOf, type Loop, type ProductText, upTo } from './loop.ts';

/** Every thread reads what it needs itself. A group has but one row of threads. */
export function directLoop(text: ProductText): Loop {
  const { own, columns } = text.tile;
  const [rowsOf, columnsOf] = own.map(upTo);
  const extra = extraOf(text);
  const threads = columns / own[1];
  const column = (j: number): string => `THREAD + ${j * threads}u`;
  const sum = (i: number, j: number): string => `sum${i}_${j}`;
  return {
    threads,
    value: 'f32',
    declarations: '',
    before: `${columnsOf.map((j) => `  let column${j} = column(columnTile + ${column(j)}${extra});`).join('\n')}
${rowsOf.map((i) => columnsOf.map((j) => `  var ${sum(i, j)} = 0.0;`).join('')).join('\n')}`,
    body: `  for (var k = first; k < end; k++) {
      let own = term(k, end${extra});
${rowsOf.map((i) => `      let a${i} = left(rowTile + ${i}u, own${extra});`).join('\n')}
${columnsOf.map((j) => `      let b${j} = right(own, column${j}${extra});`).join('\n')}
      ${rowsOf.map((i) => columnsOf.map((j) => `${sum(i, j)} = fma(a${i}, b${j}, ${sum(i, j)});`).join(' ')).join('\n      ')}
  }`,
    bytes: 0,
    results: (put) => columnsOf.map((j) => put.column(column(j), rowsOf.map((i) => put.element(`${i}u`, sum(i, j))).join('\n'))).join('\n'),
  };
}
