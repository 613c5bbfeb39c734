import { open, readdir, rm, statfs } from 'node:fs/promises';
import { freemem } from 'node:os';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { writeFully } from '../common/atomic-file.ts';
import { machineMemory } from '../common/bytes.ts';
import { voxels } from '../common/geometry.ts';
import { xxh64 } from '../common/hash.ts';
import { readExactly } from '../formats/read-exactly.ts';
import { isWide, type Labels } from '../raw/labels.ts';
import type { RawCase } from '../raw/raw-dataset.ts';
import { type CroppedCase, readCase } from '../raw/read-case.ts';
import type { NotedReading } from '../raw/readers.ts';
import type { SourceFile } from '../store/sidecar.ts';
import { sameSources } from './sources.ts';

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

const ENDING = '.voxfeed-cropped';
/** Of the files. */
const VERSION = 1;

/**
 * Cropped cases beside the store that is being made: inflating, checking and cropping takes half of the time of preprocessing, and
 * planning has done it. What there is no room for is read again. The files leave with the run that preprocesses; if it was killed, the next
 * one finds them, as it finds those that planning left for it.
 */
export class KeptCases implements AsyncDisposable {
  readonly keeping: Keeping;

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
    this.keeping = { dir, room };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { dir } = this.keeping;
    for (const name of await readdir(dir).catch(() => [])) if (name.endsWith(ENDING)) await rm(join(dir, name), { force: true });
  }
}

/** What a file begins with, behind the length of this. Channels and segmentation follow. */
interface Head extends Omit<CroppedCase, 'channels' | 'segmentation'> {
  /** What the case was read by. */
  key: string;
  sources: SourceFile[];
  channels: number;
  /** Of all that follows: what was written before the power went may be zeros. */
  xxh64: string;
}

/**
 * Puts a case by, where there is room. Whatever keeps it from being written is no concern of the run.
 * @param sources as they were before it was read
 */
export async function keepCase(
  { dir, room }: Keeping,
  { channels, segmentation, ...rest }: CroppedCase,
  sources: SourceFile[],
  labels: Labels,
  reading: NotedReading,
): Promise<void> {
  const arrays = [...channels, segmentation].map(asBytes);
  const about: Head = { ...rest, key: keyOf(labels, reading), sources, channels: channels.length, xxh64: await xxh64(...arrays) };
  const head = serialize(about);
  const parts = [Buffer.concat([asBytes(Uint32Array.of(head.length)), head]), ...arrays];
  const bytes = BigInt(parts.reduce((sum, { length }) => sum + length, 0));
  const left = new BigInt64Array(room);
  if (Atomics.sub(left, 0, bytes) < bytes) {
    Atomics.add(left, 0, bytes);
    return;
  }
  const path = pathOf(dir, rest);
  try {
    // Exclusively: a file or link that stands there is somebody else's.
    await using file = await open(path, 'wx');
    for (const part of parts) await writeFully(file, part);
  } catch {
    await rm(path, { force: true }).catch(() => {});
  }
}

/** A case that was put by and whose files have not changed since; else it is read. @throws what `readCase` throws */
export async function keptOrRead(
  keeping: Keeping | undefined,
  raw: RawCase,
  sources: readonly SourceFile[],
  labels: Labels,
  reading: NotedReading,
): Promise<CroppedCase> {
  const kept = keeping && (await take(pathOf(keeping.dir, raw), sources, labels, reading));
  return kept ?? readCase(raw, labels, reading);
}

async function take(path: string, sources: readonly SourceFile[], labels: Labels, reading: NotedReading): Promise<CroppedCase | null> {
  try {
    await using file = await open(path);
    const source = { path, fd: file.fd, remedy: '' };
    let at = 0;
    const read = <T extends ArrayBufferView>(into: T): T => {
      readExactly(source, asBytes(into), 0, into.byteLength, at);
      at += into.byteLength;
      return into;
    };
    const [length] = read(new Uint32Array(1));
    const { key, sources: before, channels: count, xxh64: wanted, ...rest }: Head = deserialize(read(new Uint8Array(length)));
    if (key !== keyOf(labels, reading) || !sameSources(before, sources)) return null;
    const size = voxels(rest.shape);
    const channels = Array.from({ length: count }, () => read(new Float32Array(size)));
    const segmentation = read(isWide(labels) ? new Int16Array(size) : new Int8Array(size));
    return (await xxh64(...channels, segmentation)) === wanted ? { ...rest, channels, segmentation } : null;
  } catch {
    return null;
  }
}

function pathOf(dir: string, { id }: Pick<RawCase, 'id'>): string {
  return join(dir, `${id}${ENDING}`);
}

function keyOf(labels: Labels, { notes: _, ...reading }: NotedReading): string {
  return JSON.stringify([VERSION, labels, reading]);
}

function asBytes({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
