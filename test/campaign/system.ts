import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { contents } from '../preprocessing/store-files.ts';
import { type Ended, runCommand, type Surroundings, wrongWithEnd } from './processes.ts';
import type { Subject } from './subject.ts';
import type { Campaign } from './tally.ts';

const CALLS = ['pread64,read', 'openat', 'write,pwrite64', 'fsync', 'rename,renameat,renameat2', 'mkdir', 'unlink'];
const ERRORS = ['EIO', 'EACCES', 'ENOSPC', 'EDQUOT', 'ESTALE', 'ENOLCK', 'EUCLEAN', 'EBADMSG', 'EREMOTEIO', 'EROFS', 'EMFILE', 'EINVAL'];

/** Whether a program is there, by asking for its version. */
const has = (program: string, ...words: string[]): boolean => spawnSync(program, words, { stdio: 'ignore' }).status === 0;

/** Errors that the system reports for any file of a folder, put into system calls with strace. */
export async function injectErrors(campaign: Campaign, { raw, store }: Subject): Promise<void> {
  if (!has('strace', '-V')) return void console.log('no strace: errors of the system are left out');
  const out = join(campaign.dir, 'injected');
  const commands: [string[], string[]][] = [
    [
      ['verify', store],
      [join(store, 'a.npy'), join(store, 'voxfeed.json')],
    ],
    [
      ['bench', store, '--batches', '2', '--workers', '1', '--cache-gb', '0'],
      [join(store, 'b.npy'), join(store, 'b.msgpack')],
    ],
    [
      ['preprocess', raw, out, '--workers', '1'],
      [join(raw, 'imagesTr', 'a_0000.nii.gz'), join(raw, 'dataset.json'), out],
    ],
    [
      ['replay', store, '--sample', '1', '--out', out],
      [out, join(out, 'plan.json')],
    ],
  ];
  const tries = CALLS.flatMap((call) =>
    ERRORS.flatMap((error) => commands.flatMap(([words, paths]) => paths.map((path) => ({ call, error, words, path })))),
  );
  const row = campaign.row('errors of the system (strace)');
  // All kinds early, whatever time there is.
  for (let i = 0; i < tries.length && campaign.goesOn(); i++) {
    const { call, error, words, path } = tries[(i * 101 + campaign.seed) % tries.length];
    rmSync(out, { recursive: true, force: true });
    const before = ['strace', '-f', '-qq', '-o', '/dev/null', '-P', path, '-e', `inject=${call}:error=${error}:when=1+`];
    count(row, await runCommand(words, { before }), `${call} ${error} on ${path}`);
  }
}

function count(row: ReturnType<Campaign['row']>, ended: Ended, how: string, further: string | null = null): void {
  row.tried++;
  const wrong = wrongWithEnd(ended) ?? further;
  if (wrong !== null) row.findings.push(`${how}: ${ended.words.join(' ')}: ${wrong}`);
  else if (ended.status === 0) row.done++;
  else row.refused++;
}

/** Limits of descriptors, address space, file size and stack. */
export async function limitResources(campaign: Campaign, { raw, store }: Subject): Promise<void> {
  const out = join(campaign.dir, 'limited');
  const preprocess = ['preprocess', raw, out, '--workers', '2'];
  const bench = ['bench', store, '--batches', '2', '--workers', '2'];
  const within = (line: string): Surroundings => ({ before: ['sh', '-c', `${line}; exec "$@"`, 'sh'] });
  const row = campaign.row('limits (ulimit)');
  for (const limit of ['-n 24', '-n 32', '-n 40', '-n 64', '-v 4000000', '-v 8000000', '-f 2', '-f 16', '-s 512'])
    for (const words of [preprocess, bench]) {
      if (!campaign.goesOn()) return;
      rmSync(out, { recursive: true, force: true });
      count(row, await runCommand(words, within(`ulimit ${limit}`)), `ulimit ${limit}`);
    }
}

const isRoot = process.getuid?.() === 0;

/** Disks of all sizes, for root. */
export async function fillDisks(campaign: Campaign, { raw, store }: Subject): Promise<void> {
  if (!isRoot) return void console.log('not root: full disks are left out');
  const disk = join(campaign.dir, 'disk');
  mkdirSync(disk, { recursive: true });
  const expected = JSON.stringify(contents(store));
  const row = campaign.row('disks that fill up, then have room again');
  for (let kilobytes = 8; kilobytes < 200 && campaign.goesOn(); kilobytes += 16) {
    if (!has('mount', '-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'none', disk)) return;
    try {
      const out = join(disk, 'out');
      const first = await runCommand(['preprocess', raw, out, '--workers', '2']);
      has('mount', '-o', 'remount,size=40m', disk);
      const second = await runCommand(['preprocess', raw, out, '--workers', '2']);
      const same = second.status === 0 && JSON.stringify(contents(out)) === expected;
      count(row, first, `${kilobytes} kB`, same ? null : `the run after it made another store: ${second.stderr.slice(-300)}`);
    } finally {
      has('umount', disk);
    }
  }
}

/** Limits on the group above the one that the process is in, for root. */
export async function limitGroups(campaign: Campaign, { raw, store }: Subject): Promise<void> {
  if (!isRoot) return void console.log('not root: control groups are left out');
  const out = join(campaign.dir, 'grouped');
  const commands = [
    ['preprocess', raw, out, '--workers', '4'],
    ['bench', store, '--batches', '2', '--workers', '4'],
  ];
  const row = campaign.row('control groups above (memory, processes)');
  for (const [controller, file, limits] of [
    ['memory', 'memory.limit_in_bytes', [300, 500, 900].map((megabytes) => megabytes * 1024 ** 2)],
    ['pids', 'pids.max', [14, 16, 20]],
  ] as const) {
    const parent = `/sys/fs/cgroup/${controller}/voxfeed-campaign`;
    const child = join(parent, 'task');
    if (!existsSync(`/sys/fs/cgroup/${controller}`)) continue;
    mkdirSync(child, { recursive: true });
    try {
      for (const limit of limits)
        for (const words of commands) {
          if (!campaign.goesOn()) return;
          rmSync(out, { recursive: true, force: true });
          writeFileSync(join(parent, file), String(limit));
          const before = ['sh', '-c', `echo $$ > ${child}/cgroup.procs; exec "$@"`, 'sh'];
          count(row, await runCommand(words, { before }), `${controller} ${limit}`);
        }
    } finally {
      rmdirSync(child);
      rmdirSync(parent);
    }
  }
}

/** Pipes that nobody reads. */
export async function closePipes(campaign: Campaign, { raw, store }: Subject): Promise<void> {
  const row = campaign.row('closed pipes');
  const out = join(campaign.dir, 'piped');
  for (const closed of ['stdout', 'stderr'] as const)
    for (const [words, status] of [
      [['verify', store], closed === 'stdout' ? 141 : 0],
      [['plan', raw, '--workers', '1'], closed === 'stdout' ? 141 : 0],
      [['preprocess', raw, out, '--workers', '1'], 0],
    ] as const) {
      if (!campaign.goesOn()) return;
      rmSync(out, { recursive: true, force: true });
      const ended = await runCommand(words, { closed });
      const undone = words[0] === 'preprocess' && !existsSync(join(out, 'voxfeed.json'));
      count(row, ended, `${closed} closed`, ended.status !== status || undone ? `status ${ended.status}${undone ? ', undone' : ''}` : null);
    }
}
