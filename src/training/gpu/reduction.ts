import { type Binding, type Kernel, kernel } from './kernel.ts';

/** Threads of a workgroup that sums up. */
export const THREADS = 64;
/** Elements that one workgroup sums up. */
export const CHUNK = 16384;

/** What a workgroup adds up, and what becomes of it. */
export interface Reduction {
  name: string;
  bindings: Binding[];
  groups: number;
  type: 'f32' | 'vec2f';
  declarations?: string;
  /** WGSL that leaves in `sum` what one thread adds to the others. */
  each: string;
  /** WGSL for the group's first thread, which has the total in `sum`. */
  write: string;
}

/** A kernel that sums up by workgroups, always in the same order. */
export function reduction({ name, bindings, groups, type, declarations = '', each, write }: Reduction): Kernel {
  return kernel({
    name,
    bindings,
    threads: THREADS,
    groups,
    declarations: `${declarations}
var<workgroup> sums: array<${type}, ${THREADS}>;`,
    workgroupBytes: (type === 'f32' ? 4 : 8) * THREADS,
    body: `${each}
  sums[THREAD] = sum;
  workgroupBarrier();
  if (THREAD == 0u) {
    for (var i = 1u; i < ${THREADS}u; i++) { sum += sums[i]; }
    ${write}
  }`,
  });
}
