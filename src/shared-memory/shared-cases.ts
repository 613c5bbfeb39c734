import { closeSync, ftruncateSync, openSync, readdirSync, readlinkSync, readSync, statSync } from 'node:fs';
import { CASES, type Layout } from './layout.ts';
import { createMemfd, mapFixed, tryLock } from './mapping.ts';

/** A folder that every Linux has, in memory: who looks for the cases or makes room for them holds its lock for that moment. */
const LOCKED = '/dev/shm';
/** How long one waits for it: who is without it may keep cases that nobody shares, and nothing else. */
const PATIENCE_MS = 2000;
const LOOK_MS = 2;
/** Of what lies in the file: processes that would understand it otherwise must not find it. */
const VERSION = 1;

/**
 * Puts the resident cases of a memory, and their states, where all processes of this user and machine with the same cases have them: each is
 * read once, by whoever needs it first, and takes memory once.
 *
 * They lie in a memfd that everybody holds open. Who comes later finds it among the open files of the others, whoever of them still lives.
 * So it has no name that could be left behind: it is gone when the last process is, however that ended.
 * @param contents the hash of what the cases hold
 * @returns the descriptor, to be held as long as others may find the cases here; null where the system refuses. Then the memory must not be
 * used any more
 */
export function joinCases(memory: WebAssembly.Memory, layout: Layout, contents: string): number | null {
  let fd: number | null = null;
  try {
    fd = openCases(nameOf(layout, contents));
    const cases = new Uint8Array(memory.buffer as SharedArrayBuffer, layout.casesOffset, layout.totalBytes - layout.casesOffset);
    ftruncateSync(fd, cases.length);
    mapFixed(cases, fd);
    // As with the rings, V8 promises nothing: the file must show what is written here.
    const joined = 1 + Atomics.add(new Int32Array(cases.buffer, cases.byteOffset, CASES.words), CASES.joined, 1);
    const seen = new Int32Array(1);
    readSync(fd, seen, 0, seen.byteLength, CASES.joined * seen.BYTES_PER_ELEMENT);
    if (seen[0] >= joined) return fd;
  } catch {
    // It is an economy: without it, everything is as it is for a process alone.
  }
  if (fd !== null) closeSync(fd);
  return null;
}

/** The same for all that have the same cases in the same places. Process ids, which states name, mean the same to all of them, too. */
function nameOf({ channels, labelBytes, residentBytes }: Layout, contents: string): string {
  const what = [VERSION, contents, channels, labelBytes, residentBytes, readlinkSync('/proc/self/ns/pid')];
  // Loaded here: it is twenty modules of Node's, which every start of every program would load.
  const { createHash } = process.getBuiltinModule('node:crypto');
  return `voxfeed-cases-${createHash('sha256').update(JSON.stringify(what)).digest('hex').slice(0, 32)}`;
}

/** @throws Error if the system has no such files */
function openCases(name: string): number {
  const lock = lockMachine();
  try {
    return findOpen(name) ?? createMemfd(name);
  } finally {
    if (lock !== null) closeSync(lock);
  }
}

function lockMachine(): number | null {
  const fd = orNull(() => openSync(LOCKED, 'r'));
  if (fd === null) return null;
  const start = performance.now();
  while (!tryLock(fd) && performance.now() - start < PATIENCE_MS) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_MS);
  return fd;
}

/** Opens a memfd of this name that another process of this user's has open, or this one. */
function findOpen(name: string): number | null {
  const link = `/memfd:${name} (deleted)`;
  const program = readlinkSync('/proc/self/exe');
  const user = process.getuid?.();
  for (const pid of readdirSync('/proc')) {
    const dir = `/proc/${pid}`;
    // Processes and files come and go while this looks.
    if (!/^\d+$/.test(pid) || orNull(() => readlinkSync(`${dir}/exe`)) !== program || orNull(() => statSync(dir).uid) !== user) continue;
    for (const file of orNull(() => readdirSync(`${dir}/fd`)) ?? []) {
      const path = `${dir}/fd/${file}`;
      if (orNull(() => readlinkSync(path)) !== link) continue;
      const fd = orNull(() => openSync(path, 'r+'));
      if (fd !== null) return fd;
    }
  }
  return null;
}

function orNull<T>(look: () => T): T | null {
  try {
    return look();
  } catch {
    return null;
  }
}
