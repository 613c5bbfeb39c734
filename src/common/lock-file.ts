import { readFileSync, readlinkSync } from 'node:fs';
import { type FileHandle, link, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { FileError, fileError } from './errors.ts';
import { runs } from './processes.ts';

/** How often its owner shows that it is alive, by the file's time. */
const BEAT_MS = 5000;
/** An owner on another machine that has not shown so for this long is gone. */
const SILENT_MS = 60_000;
/** How often who waits for one looks. */
const LOOK_MS = 1000;

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
 * Makes a file that one process has at a time, and that shows it to be alive. A file that a killed one left is taken over.
 * @param patient waits for an owner on another machine that may have died just now, until it shows that it lives or has been silent
 * @throws FileError naming the folder, if another run has it or no file can be made there
 */
export async function takeLock(dir: string, name: string, patient: boolean): Promise<AsyncDisposable> {
  const lock = await lockUnlessTaken(dir, name, patient);
  if (lock instanceof FileError) throw lock;
  return lock;
}

/** The same, and null where another run has it. @throws FileError naming the folder, if no file can be made there */
export async function tryLock(dir: string, name: string): Promise<AsyncDisposable | null> {
  const lock = await lockUnlessTaken(dir, name, false);
  return lock instanceof FileError ? null : lock;
}

/** @returns an error that says who has it, where somebody has */
async function lockUnlessTaken(dir: string, name: string, patient: boolean): Promise<AsyncDisposable | FileError> {
  const path = join(dir, name);
  const owner = newOwner();
  const text = `${JSON.stringify(owner)}\n`;
  let file: FileHandle | null = null;
  try {
    for (file = await create(path); file === null; file = await create(path)) {
      const taken = await removeStale(dir, path, owner, patient);
      if (taken !== null) return taken;
    }
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

/** Takes away what a killed run left. @throws FileError naming the folder, if a run has it */
export async function removeLeft(dir: string, name: string): Promise<void> {
  let taken: FileError | null;
  try {
    taken = await removeStale(dir, join(dir, name), newOwner(), false);
  } catch (error) {
    throw fileError(dir, error);
  }
  if (taken !== null) throw taken;
}

function newOwner(): Owner {
  return { pid: process.pid, host: hostname(), processes: processSpace(), since: new Date().toISOString(), id: crypto.randomUUID() };
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

/** Returns null where nobody has the lock any more, and who has it where somebody has. */
async function removeStale(dir: string, path: string, self: Owner, patient: boolean): Promise<FileError | null> {
  const { owner, text } = await readOwner(path);
  if (await isAlive(path, owner, self, patient)) {
    const who = owner === null ? 'another run' : `process ${owner.pid} on ${owner.host}`;
    const since = owner === null ? '' : ` since ${owner.since}`;
    return new FileError(
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
  return null;
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

async function isAlive(path: string, owner: Owner | null, self: Owner, patient: boolean): Promise<boolean> {
  if (owner !== null && owner.processes === self.processes) return owner.pid === self.pid ? held.has(owner.id) : runs(owner.pid);
  const first = await lastSign(path, self);
  for (let sign = first; ; sign = await lastSign(path, self)) {
    if (sign.silentMs >= SILENT_MS) return false;
    if (!patient || sign.at !== first.at) return true;
    await pause(LOOK_MS);
  }
}

/** When the owner of a file showed to be alive, by the clock of the disk, which may be another machine's; never, if it is gone. */
async function lastSign(path: string, self: Owner): Promise<{ at: number; silentMs: number }> {
  const probe = `${path}-${self.id}`;
  await writeFile(probe, '', { flag: 'wx' });
  try {
    const [now, shown] = await Promise.all([stat(probe), stat(path)]);
    return { at: shown.mtimeMs, silentMs: now.mtimeMs - shown.mtimeMs };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { at: 0, silentMs: Number.POSITIVE_INFINITY };
    throw error;
  } finally {
    await rm(probe, { force: true });
  }
}

function processSpace(): string {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}
