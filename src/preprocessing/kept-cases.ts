import { existsSync } from 'node:fs';
import { lstat, open, readdir, rename, rm, rmdir, statfs } from 'node:fs/promises';
import { freemem } from 'node:os';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { PARTIAL, writeFully } from '../common/atomic-file.ts';
import { machineMemory } from '../common/bytes.ts';
import { makeFolders } from '../common/folders.ts';
import { voxels } from '../common/geometry.ts';
import { xxh64 } from '../common/hash.ts';
import { readExactly } from '../formats/read-exactly.ts';
import { isWide, type Labels } from '../raw/labels.ts';
import type { RawCase } from '../raw/raw-dataset.ts';
import { type CroppedCase, readCase } from '../raw/read-case.ts';
import type { NotedReading } from '../raw/readers.ts';
import { identifySources } from './sources.ts';

/** Where cases wait that planning has read and preprocessing is about to need. Plain data, for workers. */
export interface Keeping {
  dir: string;
  /** One int64: bytes that may still be written. */
  room: SharedArrayBuffer;
}

/** Of the memory that is free: files of that much stay in the page cache, where reading them costs a copy. */
const PART_OF_MEMORY = 4;
/** Of the disk that is free, which the store is to be written to. */
const PART_OF_DISK = 4;

/** A folder of its own, in that of the store: whatever else lies there is somebody else's. */
const FOLDER = 'kept_cases';
const ENDING = '.cropped';
/** Of the files. */
const VERSION = 2;
/** Of a file whose length was not damaged. */
const MOST_HEAD_BYTES = 2 ** 24;

/**
 * Cropped cases beside the store that is being made: inflating, checking and cropping takes half of the time of preprocessing, and
 * planning has done it. What there is no room for is read again. A case of a store leaves when it is written, and all do with the run. What was there
 * before, as planning leaves it that was asked to, a run that fails before it writes leaves to the next one.
 */
export class KeptCases implements AsyncDisposable {
  readonly keeping: Keeping;
  /** Whether they leave with this run. */
  leaving: boolean;

  /** @param dir a folder that is open, see `openFolder` */
  static async open(dir: string): Promise<KeptCases> {
    // A file system that does not tell is left alone.
    const { bavail, bsize } = await statfs(dir).catch(() => ({ bavail: 0, bsize: 0 }));
    const memory = Math.min(freemem(), machineMemory());
    return new KeptCases(dir, Math.floor(Math.min(memory / PART_OF_MEMORY, (bavail * bsize) / PART_OF_DISK)));
  }

  constructor(dir: string, bytes: number) {
    const room = new SharedArrayBuffer(8);
    new BigInt64Array(room)[0] = BigInt(bytes);
    this.keeping = { dir: join(dir, FOLDER), room };
    this.leaving = !existsSync(this.keeping.dir);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { dir } = this.keeping;
    if (!this.leaving) return;
    if (!(await isFolder(dir))) return;
    for (const name of await readdir(dir).catch(() => []))
      if (name.endsWith(`${ENDING}${PARTIAL}`) || (await isKept(join(dir, name)))) await removeFile(join(dir, name));
    await rmdir(dir).catch(() => {});
  }
}

/** What a file begins with, behind its length and its hash. Channels and segmentation follow. */
interface Head extends Omit<CroppedCase, 'channels' | 'segmentation'> {
  /** What the case was read by, and which files those were. */
  key: string;
  channels: number;
  notes: string[];
  /** Of all that follows: what was written before the power went may be zeros. */
  xxh64: string;
}

/** Reads a case, and puts it by if it is wanted. @throws what `readCase` throws */
export async function readAndKeep(keeping: Keeping | undefined, raw: RawCase, labels: Labels, reading: NotedReading): Promise<CroppedCase> {
  const files = keeping && (await identifySources(raw));
  const cropped = await readCase(raw, labels, reading);
  // Files that change meanwhile, or might without being seen, are read again.
  if (keeping && files?.settled && files.identity === (await identifySources(raw)).identity)
    await keepCase(keeping, raw, cropped, files.identity, labels, reading);
  return cropped;
}

/**
 * Puts a case by, where there is room, and nothing of somebody else's. Whatever keeps it from being written is no concern of the run.
 * @param files which they were before it was read: their identity by `identifySources`
 */
export async function keepCase(
  { dir, room }: Keeping,
  raw: RawCase,
  { channels, segmentation, ...rest }: CroppedCase,
  files: string,
  labels: Labels,
  reading: NotedReading,
): Promise<void> {
  const arrays = [...channels, segmentation].map(asBytes);
  const bytes = BigInt(arrays.reduce((sum, { length }) => sum + length, 0));
  const left = new BigInt64Array(room);
  const about = { ...rest, key: keyOf(raw, files, labels, reading), channels: channels.length, notes: reading.notes };
  if (Atomics.sub(left, 0, bytes) >= bytes && (await writeKept(dir, pathOf(dir, raw), about, arrays))) return;
  Atomics.add(left, 0, bytes);
}

/** False where it could not be written, or must not be: something else is called so. */
async function writeKept(dir: string, path: string, about: Omit<Head, 'xxh64'>, arrays: readonly Uint8Array[]): Promise<boolean> {
  await makeFolders(dir).catch(() => {});
  if (!(await isFolder(dir)) || !(await isFree(path))) return false;
  const partial = `${path}${PARTIAL}`;
  try {
    const head = serialize({ ...about, xxh64: await xxh64(...arrays) } satisfies Head);
    await removeFile(path);
    await removeFile(partial);
    // Exclusively: nothing is written through a link. Renamed: what stands there under its name is whole.
    await using file = await open(partial, 'wx');
    const begin = Buffer.concat([asBytes(Uint32Array.of(head.length)), Buffer.from(await xxh64(head)), head]);
    for (const part of [begin, ...arrays]) await writeFully(file, part);
    await rename(partial, path);
    return true;
  } catch {
    await removeFile(partial);
    return false;
  }
}

/** A case that was put by and whose files have not changed since; else it is read. @throws what `readCase` throws */
export async function keptOrRead(keeping: Keeping | undefined, raw: RawCase, labels: Labels, reading: NotedReading): Promise<CroppedCase> {
  const kept = keeping && (await isFolder(keeping.dir)) && (await take(pathOf(keeping.dir, raw), raw, labels, reading));
  return kept || readCase(raw, labels, reading);
}

/** Makes room: the case is written. */
export async function forgetCase({ dir }: Keeping, raw: RawCase): Promise<void> {
  const path = pathOf(dir, raw);
  if ((await isFolder(dir)) && (await isKept(path))) await removeFile(path);
}

async function take(path: string, raw: RawCase, labels: Labels, reading: NotedReading): Promise<CroppedCase | null> {
  try {
    await using kept = await openKept(path);
    if (kept?.head.key !== keyOf(raw, (await identifySources(raw)).identity, labels, reading)) return null;
    const { key: _, channels: count, notes, xxh64: wanted, ...rest } = kept.head;
    const size = voxels(rest.shape);
    const channels = Array.from({ length: count }, () => kept.read(new Float32Array(size)));
    const segmentation = kept.read(isWide(labels) ? new Int16Array(size) : new Int8Array(size));
    if ((await xxh64(...channels, segmentation)) !== wanted) return null;
    reading.notes.push(...notes);
    return { ...rest, channels, segmentation };
  } catch {
    return null;
  }
}

/** A file of a kept case that is being read: what follows its head, array by array. */
interface Kept extends AsyncDisposable {
  head: Head;
  read<T extends ArrayBufferView>(into: T): T;
}

/** Null where something else is called so. */
async function openKept(path: string): Promise<Kept | null> {
  if (!(await lstat(path)).isFile()) return null;
  await using opened = new AsyncDisposableStack();
  const { fd } = opened.use(await open(path));
  let at = 0;
  const read = <T extends ArrayBufferView>(into: T): T => {
    readExactly({ path, fd, remedy: '' }, asBytes(into), 0, into.byteLength, at);
    at += into.byteLength;
    return into;
  };
  const [length] = read(new Uint32Array(1));
  const hash = Buffer.from(read(new Uint8Array(16))).toString('latin1');
  const head = read(new Uint8Array(Math.min(length, MOST_HEAD_BYTES)));
  if ((await xxh64(head)) !== hash) return null;
  const file = opened.move();
  return { head: deserialize(head), read, [Symbol.asyncDispose]: () => file.disposeAsync() };
}

/** Through a link it would be somebody else's. */
async function isFolder(dir: string): Promise<boolean> {
  return (await lstat(dir).catch(() => null))?.isDirectory() ?? false;
}

/** Whether nothing is called so, or a kept case. */
async function isFree(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => null)) === null || isKept(path);
}

async function isKept(path: string): Promise<boolean> {
  if (!path.endsWith(ENDING)) return false;
  await using kept = await openKept(path).catch(() => null);
  return kept !== null;
}

function pathOf(dir: string, { id }: RawCase): string {
  return join(dir, `${id}${ENDING}`);
}

function keyOf({ id }: RawCase, files: string, labels: Labels, { notes: _, ...reading }: NotedReading): string {
  return JSON.stringify([VERSION, id, labels, reading, files]);
}

async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true }).catch(() => {});
}

function asBytes({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
