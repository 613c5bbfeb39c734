import { fstatSync, readSync } from 'node:fs';
import { constants, crc32 } from 'node:zlib';
import { StoreError } from '../common/errors.ts';
import { inflateRawSync } from '../common/zlib.ts';
import { DTYPES, type NpyHeader, parseNpyHeader } from './npy.ts';

/** An array of an .npz file: a zip of .npy files, stored or deflated (NumPy's `savez` and `savez_compressed`). */
export interface NpzMember {
  name: string;
  /** Where its compressed bytes begin. */
  offset: number;
  compressedBytes: number;
  bytes: number;
  crc32: number;
  deflated: boolean;
}

const ACTION = "Write it again: run nnU-Net's preprocessing for this case";
/** PKWARE's APPNOTE.TXT: sizes and signatures of the records that are read here. */
const END = { signature: 0x06054b50, bytes: 22, comment: 65535 };
const LOCATOR = { signature: 0x07064b50, bytes: 20 };
const END_64 = { signature: 0x06064b50, bytes: 56 };
const ENTRY = { signature: 0x02014b50, bytes: 46 };
const LOCAL = { signature: 0x04034b50, bytes: 30 };
/** Sizes that stand in an entry's extra field of this number instead. */
const ZIP_64 = { field: 1, narrow: 0xffffffff };
/** Of a folder of names: one that is larger is no .npz of a case. */
const MOST_DIRECTORY_BYTES = 1024 ** 2;
/** So much of a compressed array surely holds its header, and inflates to 4 MB at most. */
const HEAD_BYTES = 4096;

/** The arrays of a file. @throws StoreError naming `path` */
export function readNpzMembers(path: string, fd: number): Map<string, NpzMember> {
  const { size } = fstatSync(fd);
  const tail = readPart(path, fd, Math.max(0, size - END.bytes - END.comment), Math.min(size, END.bytes + END.comment), size);
  let at = tail.length - END.bytes;
  while (at >= 0 && tail.readUInt32LE(at) !== END.signature) at--;
  if (at < 0) throw damaged(path, 'it is no .npz file, or is cut off');
  let directoryBytes = tail.readUInt32LE(at + 12);
  let start = tail.readUInt32LE(at + 16);
  const locator = at - LOCATOR.bytes;
  if (locator >= 0 && tail.readUInt32LE(locator) === LOCATOR.signature) {
    const end = readPart(path, fd, wide(path, tail, locator + 8), END_64.bytes, size);
    if (end.readUInt32LE(0) !== END_64.signature) throw damaged(path, 'its directory is not where it should be');
    directoryBytes = wide(path, end, 40);
    start = wide(path, end, 48);
  }
  if (directoryBytes > MOST_DIRECTORY_BYTES) throw damaged(path, `its directory takes ${directoryBytes} bytes`);
  const directory = readPart(path, fd, start, directoryBytes, size);
  const members = new Map<string, NpzMember>();
  for (let entry = 0; entry < directory.length; ) {
    const { member, next } = readEntry(path, fd, directory, entry, size);
    members.set(member.name.replace(/\.npy$/, ''), member);
    entry = next;
  }
  return members;
}

function readEntry(path: string, fd: number, directory: Buffer, at: number, size: number): { member: NpzMember; next: number } {
  if (at + ENTRY.bytes > directory.length || directory.readUInt32LE(at) !== ENTRY.signature)
    throw damaged(path, 'its directory is damaged');
  const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((field) => directory.readUInt16LE(at + field));
  const next = at + ENTRY.bytes + nameBytes + extraBytes + commentBytes;
  if (next > directory.length) throw damaged(path, 'its directory is damaged');
  const name = directory.toString('utf8', at + ENTRY.bytes, at + ENTRY.bytes + nameBytes);
  const method = directory.readUInt16LE(at + 10);
  const fail = (what: string): StoreError => damaged(path, `${name}: ${what}`);
  if ((directory.readUInt16LE(at + 8) & 1) === 1) throw fail('it is encrypted');
  if (method !== 0 && method !== 8) throw fail(`it is compressed by method ${method}, not deflated`);
  const extra = directory.subarray(at + ENTRY.bytes + nameBytes, at + ENTRY.bytes + nameBytes + extraBytes);
  // In this order, and each only where the entry itself has no room for it.
  const [bytes, compressedBytes, header] = wideSizes(path, extra, [
    directory.readUInt32LE(at + 24),
    directory.readUInt32LE(at + 20),
    directory.readUInt32LE(at + 42),
  ]);
  const local = readPart(path, fd, header, LOCAL.bytes, size);
  if (local.readUInt32LE(0) !== LOCAL.signature) throw fail('it is not where the directory says');
  const offset = header + LOCAL.bytes + local.readUInt16LE(26) + local.readUInt16LE(28);
  if (offset + compressedBytes > size) throw fail('it is cut off');
  if (method === 0 && compressedBytes !== bytes) throw fail('its two sizes differ');
  return { member: { name, offset, compressedBytes, bytes, crc32: directory.readUInt32LE(at + 16), deflated: method === 8 }, next };
}

function wideSizes(path: string, extra: Buffer, narrow: number[]): number[] {
  let field = 0;
  while (field + 4 <= extra.length && extra.readUInt16LE(field) !== ZIP_64.field) field += 4 + extra.readUInt16LE(field + 2);
  let at = field + 4;
  return narrow.map((value) => {
    if (value !== ZIP_64.narrow) return value;
    if (at + 8 > extra.length) throw damaged(path, 'its directory is damaged');
    at += 8;
    return wide(path, extra, at - 8);
  });
}

/** The header of an array, which is inflated no further than that. @throws StoreError */
export function readNpzHeader(path: string, fd: number, member: NpzMember): NpyHeader {
  const { offset, compressedBytes, bytes, deflated, name } = member;
  const head = readPart(path, fd, offset, Math.min(HEAD_BYTES, compressedBytes), offset + compressedBytes);
  const header = parseNpyHeader(`${path} (${name})`, deflated ? inflate(path, member, head, undefined) : head);
  const expected = header.offset + header.shape.reduce((product, length) => product * length, DTYPES[header.dtype]);
  if (expected !== bytes) throw damaged(path, `${name} holds ${bytes} bytes instead of ${expected}`);
  return header;
}

/** A whole array with its header: all of its bytes, in the order of the file. @throws StoreError if its checksum is another */
export function readNpzArray(path: string, fd: number, member: NpzMember): Buffer {
  const { offset, compressedBytes, bytes, deflated, name } = member;
  const packed = readPart(path, fd, offset, compressedBytes, offset + compressedBytes);
  const whole = deflated ? inflate(path, member, packed, bytes) : packed;
  if (whole.length !== bytes || crc32(whole) !== member.crc32) throw damaged(path, `the contents of ${name} do not match their checksum`);
  return whole;
}

/** @param bytes at most; undefined: as much as the beginning gives */
function inflate(path: string, { name }: NpzMember, packed: Buffer, bytes: number | undefined): Buffer {
  try {
    return inflateRawSync(packed, bytes === undefined ? { finishFlush: constants.Z_SYNC_FLUSH } : { maxOutputLength: Math.max(bytes, 1) });
  } catch (error) {
    throw damaged(path, `${name} cannot be inflated (${(error as Error).message})`, error);
  }
}

function readPart(path: string, fd: number, position: number, length: number, end: number): Buffer {
  if (length < 0 || position < 0 || position + length > end) throw damaged(path, 'it is cut off, or its directory is damaged');
  const part = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const count = readSync(fd, part, done, Math.min(length - done, 1024 ** 3), position + done);
    if (count === 0) throw damaged(path, 'it is cut off');
    done += count;
  }
  return part;
}

/** A 64-bit number that a file may sensibly hold. */
function wide(path: string, from: Buffer, at: number): number {
  const value = from.readBigUInt64LE(at);
  if (value > Number.MAX_SAFE_INTEGER) throw damaged(path, 'its directory is damaged');
  return Number(value);
}

function damaged(path: string, what: string, cause?: unknown): StoreError {
  return new StoreError(path, what, ACTION, { cause });
}
