import { voxels } from '../../common/geometry.ts';
import { BYTES, bytesOf, type Memory, typeOf, type Width } from './memory.ts';

/** One memory as a kernel sees it. */
export interface Binding {
  /** Its name in the shader. */
  name: string;
  memory: Memory;
  /** 'write' covers reading, too. */
  access: 'read' | 'write';
  /** The first element that the shader sees. */
  from: number;
  /** How many elements the shader sees as one, default 1. */
  width?: Width;
  /** What of the memory is touched, each element once: the least that can be moved. */
  bytes: number;
}

/** Part of a memory: some maps, a parameter. */
interface Part {
  memory: Memory;
  shape: readonly number[];
  batch?: number;
  channels?: number;
  /** In elements. Shaders see the memory from about here on, see `placeIn`. */
  offset?: number;
}

/** Elements that bindings begin at multiples of: 256 bytes, which no adapter wants more of (`minStorageBufferOffsetAlignment`). */
const ALIGNMENT = 64;

/**
 * Where a shader finds `part` that is bound as `bound`, a part of the same memory that is not behind it. So the shaders of layers that
 * are alike are the same text, wherever their parameters lie: they are compiled once.
 */
export function placeIn(bound: { offset: number }, part: { offset: number } = bound): number {
  return part.offset - alignedDown(bound.offset);
}

function alignedDown(offset: number): number {
  return offset - (offset % ALIGNMENT);
}

/** One dispatch: a shader with everything it is bound to. Shapes are constants in its text. */
export interface Kernel {
  name: string;
  code: string;
  bindings: Binding[];
  /** Workgroups, counted in one row: `GROUP` in the shader. */
  groups: number;
  /** Multiplications and additions of a product; 0 for kernels that only pass over memory. */
  flops: number;
  /** Bytes of workgroup memory, to be refused by name where an adapter has less. */
  workgroupBytes: number;
  threads: number;
}

export function read(name: string, of: Memory | Part): Binding {
  return binding(name, of, 'read');
}

export function write(name: string, to: Memory | Part): Binding {
  return binding(name, to, 'write');
}

function binding(name: string, of: Memory | Part, access: Binding['access']): Binding {
  if (!('memory' in of)) return { name, memory: of, access, from: 0, bytes: bytesOf(of) };
  const { memory, shape, batch = 1, channels = 1, offset = 0 } = of;
  return { name, memory, access, from: alignedDown(offset), bytes: BYTES[memory.type] * batch * channels * voxels(shape) };
}

/** Extensions of WGSL, and what tells that a shader uses them. */
const EXTENSIONS: [name: string, used: RegExp][] = [
  ['f16', /\bf16\b/],
  ['subgroups', /\bsubgroup_matrix_/],
  ['chromium_experimental_subgroup_matrix', /\bsubgroup_matrix_/],
];

/** Workgroups in one row: the largest that every adapter takes. More make further rows. */
const ROW = 65535;

export function rowsOf(groups: number): [number, number] {
  return groups <= ROW ? [groups, 1] : [ROW, Math.ceil(groups / ROW)];
}

/**
 * A kernel from the body of its main function, which knows `GROUP` (the workgroup), `THREAD` (the thread in it), `INDEX` (the
 * thread among all), and where it uses subgroups `SUBGROUP` and `LANE` (the thread in it). All threads of a superfluous group leave at once, so barriers stay uniform.
 */
export function kernel(options: {
  name: string;
  bindings: Binding[];
  threads: number;
  groups: number;
  declarations?: string;
  body: string;
  workgroupBytes?: number;
  flops?: number;
}): Kernel {
  const { name, bindings, threads, groups, declarations = '', body, workgroupBytes = 0, flops = 0 } = options;
  const buffers = bindings.map(
    ({ name: variable, memory: { type }, access, width = 1 }, index) =>
      `@group(0) @binding(${index}) var<storage, ${access === 'read' ? 'read' : 'read_write'}> ${variable}: array<${typeOf(type, width)}>;`,
  );
  const subgroups = /\bSUBGROUP\b/.test(body) ? ', @builtin(subgroup_id) SUBGROUP: u32, @builtin(subgroup_invocation_id) LANE: u32' : '';
  const text = `${buffers.join('\n')}
${declarations}
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) THREAD: u32${subgroups}) {
  let GROUP = workgroup.x + workgroup.y * ${ROW}u;
  if (GROUP >= ${groups}u) { return; }
  let INDEX = GROUP * ${threads}u + THREAD;
${body}
}
`;
  const code =
    EXTENSIONS.filter(([, used]) => used.test(text))
      .map(([name]) => `enable ${name};\n`)
      .join('') + text;
  return { name, code, bindings, groups, flops, workgroupBytes, threads };
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
