import { expect } from 'vitest';
import { type Kernel, write } from '../../src/training/gpu/kernel.ts';
import { type Memory, memory } from '../../src/training/gpu/memory.ts';
import type { Program } from '../../src/training/gpu/program.ts';

/**
 * Kernels run without Dawn's own checks of indices, so these are checked here: every access to a buffer or to workgroup memory in the text of a
 * shader is told to keep to its length, and notes where one does not. Changes the kernels.
 */
export class Bounds {
  /** One number for each kernel: 1 + the place in `#names` of what was left, 0 where nothing was. */
  readonly #faults: Memory = memory('faults', 0, { type: 'u32', persistent: true });
  readonly #names: string[] = [];
  readonly #watched = new Set<Kernel>();

  watch(kernels: readonly Kernel[]): void {
    const fresh = kernels.filter((kernel) => !this.#watched.has(kernel));
    for (const kernel of fresh) {
      this.#watched.add(kernel);
      const place = this.#faults.length++;
      const arrays = [
        ...kernel.bindings.map(({ name, memory: { length }, from, width = 1 }) => ({ name, length: Math.ceil((length - from) / width) })),
        ...[...kernel.code.matchAll(/var<workgroup> (\w+): array<[^;]*?, (\d+)>;/g)].map(([, name, length]) => ({
          name,
          length: Number(length),
        })),
      ];
      for (const { name, length } of arrays) {
        this.#names.push(`${kernel.name}: ${name}, which has ${length} elements`);
        kernel.code = watched(kernel.code, name);
        kernel.code += `fn within_${name}(at: u32, length: u32) -> u32 {
  if (at >= ${length}u || length > ${length}u - at) { faults[${place}] = ${this.#names.length}u; return 0u; }
  return at;
}
`;
      }
    }
    for (const kernel of fresh) {
      kernel.code = kernel.code.replace(
        /^((enable \w+;\n)*)/,
        `$1@group(0) @binding(${kernel.bindings.length}) var<storage, read_write> faults: array<u32>;\n`,
      );
      kernel.bindings.push(write('faults', this.#faults));
    }
  }

  async expectKept(program: Program): Promise<void> {
    const [found] = await program.read(this.#faults);
    const left = [...new Uint32Array(found)].filter((fault) => fault > 0).map((fault) => this.#names[fault - 1]);
    expect(left.join('; '), 'what was accessed out of its bounds').toBe('');
  }
}

/** The text with every access to an array told to keep within. */
function watched(code: string, name: string): string {
  const access = new RegExp(
    [
      // A matrix: so many lines of so many elements, `stride` apart.
      `subgroupMatrixLoad<subgroup_matrix_\\w+<\\w+, (?<columns>\\d+), (?<rows>\\d+)>, (?<order>\\w+)>\\(&${name}, `,
      `subgroupMatrixStore<row_major>\\(&${name}, `,
      `\\b${name}\\[`,
    ].join('|'),
    'g',
  );
  let result = '';
  let done = 0;
  for (let found = access.exec(code); found !== null; found = access.exec(code)) {
    const begin = access.lastIndex;
    result += code.slice(done, begin);
    const [index, end] = argument(code, begin);
    done = end;
    access.lastIndex = end;
    const inner = watched(index, name);
    if (found[0].endsWith('[')) {
      result += `within_${name}(${inner}, 1u)`;
      continue;
    }
    const { columns, rows, order } = found.groups as Record<string, string | undefined>;
    // Of a store, the matrix comes before the stride.
    const [next, afterNext] = argument(code, end + 2);
    const [, resultColumns, resultRows] = /subgroup_matrix_result<f32, (\d+), (\d+)>/.exec(code) as RegExpExecArray;
    const stride = columns ? next : argument(code, afterNext + 2)[0];
    const [lines, each] = !columns ? [resultRows, resultColumns] : order === 'row_major' ? [rows, columns] : [columns, rows];
    result += `within_${name}(${inner}, ${Number(lines) - 1}u * ${stride} + ${each}u)`;
  }
  return result + code.slice(done);
}

/** An argument or index from `begin` on, and where it ends. */
function argument(code: string, begin: number): [text: string, end: number] {
  let depth = 0;
  for (let i = begin; i < code.length; i++) {
    if ('([{'.includes(code[i])) depth++;
    else if (depth === 0 && ',)]'.includes(code[i])) return [code.slice(begin, i), i];
    else if (')]}'.includes(code[i])) depth--;
  }
  throw new RangeError('the text ends in an argument');
}
