/** What NumPy calls the elements of a dtype, "float16 numbers" for "<f2"; the dtype itself where it is none of numbers. */
export function nameOf(dtype: string): string {
  const [, order, kind, bytes] = /^([<>|=]?)([fiu])([1248])$/.exec(dtype) ?? [];
  if (kind === undefined) return dtype;
  const name = { f: 'float', i: 'int', u: 'uint' }[kind];
  return `${name}${8 * Number(bytes)} numbers${order === '>' ? ', big end first' : ''}`;
}
