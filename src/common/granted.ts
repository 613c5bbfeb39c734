import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

/**
 * What Linux grants this process. Limits may lie on any control group above its own (Slurm puts those of a job on the job, and runs tasks
 * in children of it), in the first or the second hierarchy: the smallest holds.
 */

/** Bytes of main memory, of control groups and of the address space (`ulimit -v`); Infinity where nothing limits them. */
export function grantedMemory(root = '/'): number {
  const groups = groupsOf(root, 'memory').flatMap((dir) => [
    number(read(dir, 'memory.max')),
    number(read(dir, 'memory.limit_in_bytes')),
    // Also knows of groups that a container does not see.
    number(/^hierarchical_memory_limit (\d+)$/m.exec(read(dir, 'memory.stat'))?.[1]),
  ]);
  return Math.min(...groups, addressSpaceLeft(root));
}

/** How many cores' worth of time control groups grant; Infinity where they do not say. */
export function grantedCores(root = '/'): number {
  const quotas = groupsOf(root, 'cpu').flatMap((dir) => {
    const [quota, period] = read(dir, 'cpu.max').split(' ');
    return [number(quota) / number(period), number(read(dir, 'cpu.cfs_quota_us')) / number(read(dir, 'cpu.cfs_period_us'))];
  });
  // Infinity / Infinity: there is no such file.
  return Math.min(...quotas.filter((cores) => cores > 0), Number.POSITIVE_INFINITY);
}

/** The folders of this process's group of a controller and of all those above it that are to be seen, in both hierarchies. */
function groupsOf(root: string, controller: string): string[] {
  const groups = lines(root, 'proc/self/cgroup').map((line) => /^\d+:([^:]*):(.*)$/.exec(line) ?? []);
  return lines(root, 'proc/self/mountinfo').flatMap((line) => {
    const [mount, source] = line.split(' - ').map((part) => part.split(' '));
    if (source === undefined) return [];
    const [kind, , options = ''] = source;
    const [, , , top, point] = mount;
    const isSecond = kind === 'cgroup2';
    if (!isSecond && !(kind === 'cgroup' && options.split(',').includes(controller))) return [];
    const group = groups.find(([, names]) => (isSecond ? names === '' : names?.split(',').includes(controller)))?.[2];
    return group === undefined ? [] : above(group, top).map((path) => join(root, point, path));
  });
}

/** A group and those above it, below the one that is mounted. */
function above(group: string, top: string): string[] {
  const within = group === top || group.startsWith(top === '/' ? '/' : `${top}/`) ? group.slice(top === '/' ? 0 : top.length) : '';
  const names = within.split('/').filter((name) => name !== '' && name !== '..');
  return Array.from({ length: names.length + 1 }, (_, depth) => names.slice(0, depth).join('/'));
}

/** Bytes of addresses that this process may have in all (`ulimit -v`); Infinity where nothing limits them. */
export function addressLimit(root = '/'): number {
  return number(/^Max address space +(\S+)/m.exec(read(root, 'proc/self/limits'))?.[1]);
}

/** V8 alone takes a good part of it, and what is taken is not there any more. */
export function addressSpaceLeft(root = '/'): number {
  const taken = 1024 * Number(/^VmSize:\s+(\d+) kB/m.exec(read(root, 'proc/self/status'))?.[1] ?? 0);
  return Math.max(1, addressLimit(root) - taken);
}

function lines(root: string, path: string): string[] {
  return read(root, path).split('\n');
}

function read(dir: string, name: string): string {
  try {
    return readFileSync(join(dir, name), 'utf8').trim();
  } catch {
    return '';
  }
}

/** Infinity for what is no limit: "max", "unlimited", -1, or nothing at all. */
function number(text: string | undefined): number {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : Number.POSITIVE_INFINITY;
}

/** How many threads of this process can run at once: at least 1. */
export function availableCores(root = '/'): number {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(grantedCores(root))));
}
