import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { availableCores, grantedCores, grantedMemory } from '../../src/common/granted.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const GIB = 1024 ** 3;
/** What the kernel writes where the first hierarchy has no limit. */
const NONE = '9223372036854771712\n';

const FIRST =
  '36 24 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n37 24 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n';
const SECOND = '30 24 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n';

/** A machine of files. */
function machine(files: Record<string, string>): string {
  const root = temporaryFolder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

describe('what is granted', () => {
  it('is all there is where nothing limits it', () => {
    const root = machine({ 'proc/self/mountinfo': SECOND, 'proc/self/cgroup': '0::/\n' });
    expect([grantedMemory(root), grantedCores(root)]).toEqual([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
    expect(grantedMemory(temporaryFolder())).toBe(Number.POSITIVE_INFINITY);
    expect(availableCores(root)).toBe(availableParallelism());
  });

  it('is the least of a group and those above it, in the second hierarchy', () => {
    const root = machine({
      'proc/self/mountinfo': SECOND,
      'proc/self/cgroup': '0::/slurm/job_7/step_0/task_0\n',
      'sys/fs/cgroup/slurm/job_7/step_0/task_0/memory.max': 'max\n',
      'sys/fs/cgroup/slurm/job_7/step_0/memory.max': `${3 * GIB}\n`,
      'sys/fs/cgroup/slurm/job_7/memory.max': `${2 * GIB}\n`,
      'sys/fs/cgroup/slurm/memory.max': 'max\n',
      'sys/fs/cgroup/slurm/job_7/step_0/task_0/cpu.max': 'max 100000\n',
      'sys/fs/cgroup/slurm/job_7/cpu.max': '150000 100000\n',
      'sys/fs/cgroup/slurm/cpu.max': '800000 100000\n',
    });
    expect(grantedMemory(root)).toBe(2 * GIB);
    expect(grantedCores(root)).toBe(1.5);
    expect(availableCores(root)).toBe(1);
  });

  it('is the least of a group and those above it, in the first', () => {
    const root = machine({
      'proc/self/mountinfo': FIRST,
      'proc/self/cgroup': '4:memory:/job/task\n3:cpu,cpuacct:/job/task\n0::/\n',
      'sys/fs/cgroup/memory/job/task/memory.limit_in_bytes': NONE,
      'sys/fs/cgroup/memory/job/memory.limit_in_bytes': `${GIB}\n`,
      'sys/fs/cgroup/memory/memory.limit_in_bytes': NONE,
      'sys/fs/cgroup/cpu/job/task/cpu.cfs_quota_us': '-1\n',
      'sys/fs/cgroup/cpu/job/task/cpu.cfs_period_us': '100000\n',
      'sys/fs/cgroup/cpu/job/cpu.cfs_quota_us': '50000\n',
      'sys/fs/cgroup/cpu/job/cpu.cfs_period_us': '100000\n',
    });
    expect(grantedMemory(root)).toBe(GIB);
    expect(grantedCores(root)).toBe(0.5);
    expect(availableCores(root)).toBe(1);
  });

  it('counts groups that a container does not see, by what the kernel says of all above', () => {
    const root = machine({
      'proc/self/mountinfo': '36 24 0:31 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n',
      'proc/self/cgroup': '4:memory:/docker/abc\n',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': NONE,
      'sys/fs/cgroup/memory/memory.stat': `cache 0\nhierarchical_memory_limit ${GIB}\ntotal_cache 0\n`,
    });
    expect(grantedMemory(root)).toBe(GIB);
  });

  it.each(['/../../elsewhere', '/docker/other', '/'])('is looked for at the mount where a group is not below it: %s', (group) => {
    const root = machine({
      'proc/self/mountinfo': '30 24 0:27 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n',
      'proc/self/cgroup': `0::${group}\n`,
      'sys/fs/cgroup/memory.max': `${GIB}\n`,
    });
    expect(grantedMemory(root)).toBe(GIB);
  });

  it('is what is left of the address space, if that is less', () => {
    const limits = (bytes: string): Record<string, string> => ({
      'proc/self/mountinfo': SECOND,
      'proc/self/cgroup': '0::/\n',
      'sys/fs/cgroup/memory.max': `${4 * GIB}\n`,
      'proc/self/limits': `Limit                     Soft Limit           Hard Limit           Units     \nMax address space         ${bytes.padEnd(20)} unlimited            bytes     \n`,
      'proc/self/status': 'VmPeak:\t 2097152 kB\nVmSize:\t 1048576 kB\n',
    });
    expect(grantedMemory(machine(limits('unlimited')))).toBe(4 * GIB);
    expect(grantedMemory(machine(limits(`${3 * GIB}`)))).toBe(2 * GIB);
    expect(grantedMemory(machine(limits('1000')))).toBe(1);
  });
});
