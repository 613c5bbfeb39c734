import { Readable } from 'node:stream';
import type { ZlibOptions } from 'node:zlib';
import { CaseError } from '../common/errors.ts';
import { crc32, createUnzip, gunzipSync, inflateRawSync } from '../common/zlib.ts';

/** Bits of a gzip header's flags (RFC 1952). */
const HEADER_CHECKSUM = 2;
const EXTRA = 4;
const NAME = 8;
const COMMENT = 16;
const RESERVED = 0xe0;
const DEFLATE = 8;
const TRAILER_BYTES = 8;

/** What zlib calls the beginning of something that is no gzip member, or a damaged one. */
const NO_MEMBER = /incorrect header check|unknown compression method|unknown header flags|header crc mismatch/;
/** What it says where a member is not all there, or nothing but its first byte. */
const CUT_OFF = /unexpected end of file/;

type Inflated = { buffer: Buffer; engine: { bytesWritten: number } };

/**
 * Inflates gzip data, of which there may be several members. What follows them is left out, as zlib's own reader does.
 * @param options `maxOutputLength`: more is refused with a cause of code ERR_BUFFER_TOO_LARGE
 * @returns what is inflated, and how many bytes it was made of
 * @throws CaseError with the cause
 */
export function gunzip(path: string, bytes: Buffer, options: ZlibOptions): { buffer: Buffer; read: number } {
  if (!isGzip(bytes)) {
    throw new CaseError(
      path,
      'the name ends in .gz but the contents are not gzip',
      'Compress it with gzip, or name it .nii and set "file_ending" accordingly',
    );
  }
  try {
    return inflate(bytes, { ...options, info: true });
  } catch (error) {
    throw damaged(path, error as Error);
  }
}

export function isGzip(bytes: Buffer): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** Types of Node leave out what `info` does. */
function inflate(bytes: Buffer, options: ZlibOptions): { buffer: Buffer; read: number } {
  try {
    const { buffer, engine } = gunzipSync(bytes, options) as unknown as Inflated;
    return { buffer, read: engine.bytesWritten };
  } catch (error) {
    const members = membersBefore(error as Error, bytes, options.maxOutputLength);
    if (members === null) throw error;
    return members;
  }
}

/** The members before what zlib has not taken for one, as there may be anything after a member; null where there are none, or one is cut off. */
function membersBefore({ message }: Error, bytes: Buffer, most?: number): ReturnType<typeof inflateMembers> | null {
  if (!NO_MEMBER.test(message) && !CUT_OFF.test(message)) return null;
  const members = inflateMembers(bytes, most);
  const isCut = CUT_OFF.test(message) && isGzip(bytes.subarray(members.read));
  return members.read === 0 || isCut ? null : members;
}

/** All members up to the first thing that is none, or is damaged. */
function inflateMembers(bytes: Buffer, most = Number.POSITIVE_INFINITY): { buffer: Buffer; read: number } {
  const parts: Buffer[] = [];
  let [read, done] = [0, 0];
  for (let member = wholeMember(bytes, most); member !== null; member = wholeMember(bytes.subarray(read), most - done)) {
    parts.push(member.data);
    done += member.data.length;
    read += member.length;
  }
  return { buffer: parts.length === 1 ? parts[0] : Buffer.concat(parts), read };
}

/**
 * A gzip member, and how many bytes it is made of; null where there is none, or its header, its data or its checksums are wrong.
 * @throws RangeError with the code ERR_BUFFER_TOO_LARGE where it holds more than `most` bytes
 */
function wholeMember(bytes: Buffer, most: number): { data: Buffer; length: number } | null {
  if (!isGzip(bytes) || bytes[2] !== DEFLATE || (bytes[3] & RESERVED) !== 0) return null;
  try {
    const start = headerBytes(bytes);
    const checked = start - 2;
    if (bytes[3] & HEADER_CHECKSUM && bytes.readUInt16LE(checked) !== (crc32(bytes.subarray(0, checked)) & 0xffff)) return null;
    const options = { info: true, ...(most < Number.POSITIVE_INFINITY && { maxOutputLength: Math.max(most, 1) }) };
    const { buffer, engine } = inflateRawSync(bytes.subarray(start), options) as unknown as Inflated;
    const end = start + engine.bytesWritten;
    if (bytes.readUInt32LE(end) !== crc32(buffer) || bytes.readUInt32LE(end + 4) !== buffer.length % 2 ** 32) return null;
    return { data: buffer, length: end + TRAILER_BYTES };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw error;
    return null;
  }
}

/** How far beyond what is wanted data are inflated, and thrown away, to come to the checksum at their end: in parts of what is wanted, and bytes. */
const FURTHER = 8;
const FURTHER_BYTES = 1024 ** 2;
const CHUNK_BYTES = 1024 ** 2;

/**
 * The first `length` bytes of gzip or zlib data that hold more, or all of them where they hold fewer. What follows is inflated, too, for its
 * checksum, unless there is far more of it than was wanted.
 * @throws CaseError with the cause
 */
export async function gunzipStart(path: string, bytes: Buffer, length: number): Promise<Buffer> {
  const start = Buffer.alloc(length);
  const most = (1 + FURTHER) * length + FURTHER_BYTES;
  let done = 0;
  try {
    for await (const part of Readable.from([bytes]).pipe(createUnzip({ chunkSize: CHUNK_BYTES }))) {
      if (done < length) part.copy(start, done);
      done += part.length;
      if (done >= most) break;
    }
    return start.subarray(0, Math.min(done, length));
  } catch (error) {
    // What was inflated since the latest part is lost with the error.
    const members = membersBefore(error as Error, bytes, most + CHUNK_BYTES);
    if (members !== null) return members.buffer.subarray(0, length);
    throw damaged(path, error as Error);
  }
}

/** What is odd about a file that goes on after its gzip data. @param read how many of its bytes they are */
export function followingGzip(bytes: Buffer, read: number): string[] {
  return read < bytes.length ? [`${bytes.length - read} bytes follow the gzip data: left out`] : [];
}

/** Of packed data that cannot be inflated. */
export function damaged(path: string, cause: Error): CaseError {
  return new CaseError(path, `the packed data are damaged or cut off (${cause.message})`, 'Copy the file again from its source', { cause });
}

function headerBytes(bytes: Buffer): number {
  const flags = bytes[3];
  let at = 10;
  if (flags & EXTRA) at += 2 + bytes.readUInt16LE(at);
  for (const text of [NAME, COMMENT]) if (flags & text) at = bytes.indexOf(0, at) + 1;
  return flags & HEADER_CHECKSUM ? at + 2 : at;
}
