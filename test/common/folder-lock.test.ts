import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, renameSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LOCK_FILE, lockFolder } from '../../src/common/folder-lock.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

/** The lock that a run of this machine would leave, with some of it changed. */
async function leftLock(changed: object): Promise<{ dir: string; path: string }> {
  const dir = temporaryFolder();
  const path = join(dir, LOCK_FILE);
  let text: string;
  {
    await using _lock = await lockFolder(dir);
    text = readFileSync(path, 'utf8');
  }
  writeFileSync(path, JSON.stringify({ ...JSON.parse(text), ...changed }));
  return { dir, path };
}

function endedProcess(): number {
  return spawnSync(process.execPath, ['--version']).pid;
}

function silentFor(path: string, seconds: number): void {
  const then = Date.now() / 1000 - seconds;
  utimesSync(path, then, then);
}

const taken = (dir: string, who: string) => ({
  name: 'FileError',
  where: dir,
  what: expect.stringContaining(`${who} has been writing into it`),
  action: expect.stringContaining(join(dir, LOCK_FILE)),
});

describe('a locked folder', () => {
  it('is refused with process, host and time to whoever comes second, and free again afterwards', async () => {
    const dir = temporaryFolder();
    {
      await using _lock = await lockFolder(dir);
      await expect(lockFolder(dir)).rejects.toMatchObject(taken(dir, `process ${process.pid} on ${hostname()}`));
      await expect(lockFolder(dir)).rejects.toThrow(/since \d{4}-\d\d-\d\dT/);
    }
    expect(readdirSync(dir)).toEqual([]);
    await (await lockFolder(dir))[Symbol.asyncDispose]();
  });

  it('of a process that still runs is refused, however long it has been silent', async () => {
    const { dir, path } = await leftLock({ pid: process.ppid });
    silentFor(path, 3600);
    await expect(lockFolder(dir)).rejects.toMatchObject(taken(dir, `process ${process.ppid} on ${hostname()}`));
  });

  it.each([
    ['of a process that was killed', () => ({ pid: endedProcess() })],
    ['of an earlier process with the same number, as in a container', () => ({ id: 'earlier' })],
  ])('%s is taken over', async (_, changed) => {
    const { dir, path } = await leftLock(changed());
    {
      await using _lock = await lockFolder(dir);
      expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ pid: process.pid });
      expect(readdirSync(dir)).toEqual([LOCK_FILE]);
    }
    expect(readdirSync(dir)).toEqual([]);
  });

  it('of another machine is refused while it shows that it is alive, and taken over after a minute of silence', async () => {
    const { dir, path } = await leftLock({ host: 'elsewhere', processes: 'another boot', pid: 1 });
    await expect(lockFolder(dir)).rejects.toMatchObject(taken(dir, 'process 1 on elsewhere'));
    silentFor(path, 59);
    await expect(lockFolder(dir)).rejects.toMatchObject(taken(dir, 'process 1 on elsewhere'));
    expect(readdirSync(dir)).toEqual([LOCK_FILE]);
    silentFor(path, 61);
    await (await lockFolder(dir))[Symbol.asyncDispose]();
    expect(readdirSync(dir)).toEqual([]);
  });

  it('whose lock says nothing is refused until it has been silent for a minute', async () => {
    const dir = temporaryFolder();
    const path = join(dir, LOCK_FILE);
    writeFileSync(path, '');
    await expect(lockFolder(dir)).rejects.toMatchObject(taken(dir, 'another run'));
    silentFor(path, 61);
    await (await lockFolder(dir))[Symbol.asyncDispose]();
  });

  it('is locked by a file of its own: a link in its place leads nowhere', async () => {
    const dir = temporaryFolder();
    symlinkSync(join(dir, 'elsewhere'), join(dir, LOCK_FILE));
    await (await lockFolder(dir))[Symbol.asyncDispose]();
    expect(existsSync(join(dir, 'elsewhere'))).toBe(false);
  });

  it('is not given back by one that it was taken from', async () => {
    const dir = temporaryFolder();
    const path = join(dir, LOCK_FILE);
    const first = await lockFolder(dir);
    const others = JSON.stringify({ pid: process.ppid, id: 'another' });
    writeFileSync(path, others);
    await first[Symbol.asyncDispose]();
    expect(readFileSync(path, 'utf8')).toBe(others);
  });
});

describe('parts', () => {
  it('of one division have a folder side by side, and each only once', async () => {
    const dir = temporaryFolder();
    await using _first = await lockFolder(dir, [1, 3]);
    await using _third = await lockFolder(dir, [3, 3]);
    expect(readdirSync(dir)).toEqual([`${LOCK_FILE}-1-of-3`, `${LOCK_FILE}-3-of-3`]);
    await expect(lockFolder(dir, [3, 3])).rejects.toMatchObject({ name: 'FileError', where: dir });
  });

  it.each([
    ['a part of another division', [1, 3], [2, 4]],
    ['the whole', [1, 3], undefined],
    ['a part', undefined, [1, 3]],
  ] as const)('keep out whoever else comes: %s', async (_, has, comes) => {
    const dir = temporaryFolder();
    {
      await using _lock = await lockFolder(dir, has);
      const before = readdirSync(dir);
      await expect(lockFolder(dir, comes)).rejects.toMatchObject({
        name: 'FileError',
        where: dir,
        what: expect.stringContaining(`${process.pid}`),
      });
      expect(readdirSync(dir)).toEqual(before);
    }
    await (await lockFolder(dir, comes))[Symbol.asyncDispose]();
    expect(readdirSync(dir)).toEqual([]);
  });

  it('that were killed keep nobody out, and their files go', async () => {
    const { dir, path } = await leftLock({ pid: endedProcess() });
    renameSync(path, `${path}-2-of-4`);
    await (await lockFolder(dir))[Symbol.asyncDispose]();
    expect(readdirSync(dir)).toEqual([]);
  });

  it('that died with their machine are waited for until they have been silent for a minute', async () => {
    const { dir, path } = await leftLock({ host: 'elsewhere', processes: 'another boot', pid: 1 });
    const left = `${path}-2-of-4`;
    renameSync(path, left);
    silentFor(left, 59.5);
    await using _lock = await lockFolder(dir, [2, 4]);
    expect(JSON.parse(readFileSync(left, 'utf8'))).toMatchObject({ pid: process.pid });
  });

  it('that show while they are waited for that they live are refused', async () => {
    const { dir, path } = await leftLock({ host: 'elsewhere', processes: 'another boot', pid: 1 });
    const left = `${path}-2-of-4`;
    renameSync(path, left);
    silentFor(left, 30);
    const second = lockFolder(dir, [2, 4]);
    const shown = setInterval(() => silentFor(left, 0), 100);
    await expect(second).rejects.toMatchObject({ ...taken(dir, 'process 1 on elsewhere'), action: expect.stringContaining(left) });
    clearInterval(shown);
  });
});
