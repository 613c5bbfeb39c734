import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { loadavg, release } from 'node:os';
import { type Environment, environment } from '../../src/measuring/environment.ts';

/** Where and on what a result was measured. */
export interface Machine extends Environment {
  /** Of the operating system. */
  system: string;
  /** Of one core: such as `L1 Data 48K`. */
  caches: string[];
  /** V8's release: it compiles the kernels. */
  v8: string;
  /** Of the sources; `+changes` where they are not as committed. null: no checkout. */
  commit: string | null;
  /** Mean number of running processes over the last minute, before the first run. */
  load_before: number;
  load_after: number | null;
}

export function machine(): Machine {
  return {
    ...environment(),
    system: release(),
    caches: caches(),
    v8: process.versions.v8,
    commit: commit(),
    load_before: load(),
    load_after: null,
  };
}

/** Over the last minute. */
export const load = (): number => Number(loadavg()[0].toFixed(2));

/** Where the system tells, as Linux does. */
function caches(): string[] {
  const dir = '/sys/devices/system/cpu/cpu0/cache';
  try {
    const read = (index: string, name: string): string => readFileSync(`${dir}/${index}/${name}`, 'utf8').trim();
    return readdirSync(dir)
      .filter((name) => name.startsWith('index'))
      .sort()
      .map((index) => `L${read(index, 'level')} ${read(index, 'type')} ${read(index, 'size')}`);
  } catch {
    return [];
  }
}

function commit(): string | null {
  const git = (...words: string[]): string =>
    execFileSync('git', words, { cwd: import.meta.dirname, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no', '--', ':/src', ':/workers', ':/bench', ':!/bench/results');
    return git('rev-parse', '--short=10', 'HEAD') + (changed === '' ? '' : '+changes');
  } catch {
    return null;
  }
}

/** One line. */
export function showMachine({ voxfeed, node, cpu, cores, caches, commit, memory_bytes, load_before, load_after, system }: Machine): string {
  const memory = `${Math.round(memory_bytes / 2 ** 30)} GiB`;
  return [
    `voxfeed ${voxfeed}${commit === null ? '' : ` (${commit})`}`,
    `Node ${node.replace('v', '')}`,
    `${cores} cores of ${cpu}${caches.length > 0 ? ` (${caches.join(', ')})` : ''}`,
    memory,
    system,
    `load average ${load_before} before, ${load_after ?? 'unknown'} after`,
  ].join('; ');
}
