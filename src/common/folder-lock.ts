import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { type FileHandle, link, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { FileError, fileError } from './errors.ts';

/** Says who writes into the folder that it lies in. */
export const LOCK_FILE = '.voxfeed-lock';

/** How often its owner shows that it is alive, by the file's time. */
const BEAT_MS = 5000;
/** An owner on another machine that has not shown so for this long is gone. */
const SILENT_MS = 60_000;

interface Owner {
  pid: number;
  host: string;
  /** Where that number means a process: one boot of one machine, and there one container. */
  processes: string;
  since: string;
  id: string;
}

/** The locks of this process, by `id`. */
const held = new Set<string>();

/**
 * Keeps others from writing into a folder while one run does. Whoever comes second hears who has it. A lock that a killed run left is
 * taken over.
 * @throws FileError naming the folder, if another run writes into it or no file can be made there
 */
export async function lockFolder(dir: string): Promise<AsyncDisposable> {
  const path = join(dir, LOCK_FILE);
  const owner: Owner = { pid: process.pid, host: hostname(), processes: processSpace(), since: new Date().toISOString(), id: randomUUID() };
  const text = `${JSON.stringify(owner)}\n`;
  let file: FileHandle | null = null;
  try {
    for (file = await create(path); file === null; file = await create(path)) await removeStale(dir, path, owner);
    await file.write(text, 0);
  } catch (error) {
    if (file !== null) await rm(path, { force: true }).catch(() => {});
    await file?.close();
    throw fileError(dir, error);
  }
  held.add(owner.id);
  const beat = setInterval(() => file.write(text, 0).catch(() => {}), BEAT_MS).unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(beat);
      held.delete(owner.id);
      // It may be another's by now, if this one was thought to be gone.
      if ((await readOwner(path).catch(() => null))?.owner?.id === owner.id) await rm(path, { force: true }).catch(() => {});
      await file.close();
    },
  };
}

/** Null where there is one already, whatever it is. */
async function create(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, 'wx');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return null;
    throw error;
  }
}

/** Returns where nobody has the lock any more. @throws FileError if somebody has */
async function removeStale(dir: string, path: string, self: Owner): Promise<void> {
  const { owner, text } = await readOwner(path);
  if (await isAlive(path, owner, self)) {
    const who = owner === null ? 'another run' : `process ${owner.pid} on ${owner.host}`;
    const since = owner === null ? '' : ` since ${owner.since}`;
    throw new FileError(
      dir,
      `${who} has been writing into it${since}`,
      `Wait until it has ended, or choose another folder. If it no longer runs, remove ${path}`,
    );
  }
  // Aside first: somebody else may have taken it over since it was read, and then it is theirs.
  const aside = `${path}-${self.id}`;
  await rename(path, aside).catch(unlessGone);
  if ((await readOwner(aside)).text !== text) await link(aside, path).catch(() => {});
  await rm(aside, { force: true });
}

/** Nobody, where there is no lock, or one that is being written or was cut off. */
async function readOwner(path: string): Promise<{ owner: Owner | null; text: string }> {
  const text = (await readFile(path, 'utf8').catch(unlessGone)) ?? '';
  try {
    const owner = JSON.parse(text) as Owner | null;
    return { owner: typeof owner?.pid === 'number' ? owner : null, text };
  } catch {
    return { owner: null, text };
  }
}

function unlessGone(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

async function isAlive(path: string, owner: Owner | null, self: Owner): Promise<boolean> {
  if (owner !== null && owner.processes === self.processes) return owner.pid === self.pid ? held.has(owner.id) : runs(owner.pid);
  // By the clock of the disk, which may be another machine's.
  const probe = `${path}-${self.id}`;
  await writeFile(probe, '', { flag: 'wx' });
  try {
    const [now, shown] = await Promise.all([stat(probe), stat(path)]);
    return now.mtimeMs - shown.mtimeMs < SILENT_MS;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  } finally {
    await rm(probe, { force: true });
  }
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It may run under another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function processSpace(): string {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}
