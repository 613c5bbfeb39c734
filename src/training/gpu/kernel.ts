import type { Memory } from './memory.ts';

/** One memory as a kernel sees it. */
export interface Binding {
  /** Its name in the shader. */
  name: string;
  memory: Memory;
  /** 'write' covers reading, too. */
  access: 'read' | 'write';
}

/** One dispatch: a shader with everything it is bound to. Shapes are constants in its text. */
export interface Kernel {
  name: string;
  code: string;
  bindings: Binding[];
  /** Workgroups, counted in one row: `GROUP` in the shader. */
  groups: number;
  /** Bytes of workgroup memory, to be refused by name where an adapter has less. */
  workgroupBytes: number;
  threads: number;
}

export function read(name: string, of: Memory): Binding {
  return { name, memory: of, access: 'read' };
}

export function write(name: string, to: Memory): Binding {
  return { name, memory: to, access: 'write' };
}

/** Workgroups in one row: the largest that every adapter takes. More make further rows. */
const ROW = 65535;

export function rowsOf(groups: number): [number, number] {
  return groups <= ROW ? [groups, 1] : [ROW, Math.ceil(groups / ROW)];
}

/**
 * A kernel from the body of its main function, which knows `GROUP` (the workgroup), `THREAD` (the thread in it) and `INDEX` (the
 * thread among all). All threads of a superfluous group leave at once, so barriers stay uniform.
 */
export function kernel(options: {
  name: string;
  bindings: Binding[];
  threads: number;
  groups: number;
  declarations?: string;
  body: string;
  workgroupBytes?: number;
}): Kernel {
  const { name, bindings, threads, groups, declarations = '', body, workgroupBytes = 0 } = options;
  const half = bindings.some(({ memory }) => memory.type === 'f16') || /\bf16\b/.test(declarations);
  const buffers = bindings.map(
    ({ name: variable, memory: { type }, access }, index) =>
      `@group(0) @binding(${index}) var<storage, ${access === 'read' ? 'read' : 'read_write'}> ${variable}: array<${type}>;`,
  );
  const code = `${half ? 'enable f16;\n' : ''}${buffers.join('\n')}
${declarations}
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) THREAD: u32) {
  let GROUP = workgroup.x + workgroup.y * ${ROW}u;
  if (GROUP >= ${groups}u) { return; }
  let INDEX = GROUP * ${threads}u + THREAD;
${body}
}
`;
  return { name, code, bindings, groups, workgroupBytes, threads };
}

/** A kernel with one thread an element: `body` runs where INDEX < count. */
export function elementwise(name: string, count: number, bindings: Binding[], body: string, declarations = ''): Kernel {
  const threads = 64;
  return kernel({
    name,
    bindings,
    threads,
    groups: Math.ceil(count / threads),
    declarations,
    body: `if (INDEX < ${count}u) {\n${body}\n}`,
  });
}
