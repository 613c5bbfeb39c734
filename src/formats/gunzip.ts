import { Readable } from 'node:stream';
import type { ZlibOptions } from 'node:zlib';
import { CaseError } from '../common/errors.ts';
import { createUnzip, gunzipSync, inflateRawSync } from '../common/zlib.ts';

/** Bits of a gzip header's flags (RFC 1952). */
const HEADER_CHECKSUM = 2;
const EXTRA = 4;
const NAME = 8;
const COMMENT = 16;
const RESERVED = 0xe0;
const DEFLATE = 8;
const TRAILER_BYTES = 8;

/** What zlib calls the beginning of something that is no gzip member. */
const NO_MEMBER = /incorrect header check|unknown compression method|unknown header flags|header crc mismatch/;

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
    // Only the end of a member whose checksum was right lets zlib look for another one.
    if (!NO_MEMBER.test((error as Error).message) || !isMember(bytes)) throw error;
    return inflateMembers(bytes, options);
  }
}

/** Member by member, up to what is none: zlib came to it, so the checksums of those before it are right. */
function inflateMembers(
  bytes: Buffer,
  { maxOutputLength = Number.POSITIVE_INFINITY, ...options }: ZlibOptions,
): { buffer: Buffer; read: number } {
  const parts: Buffer[] = [];
  let read = 0;
  for (let left = maxOutputLength; isMember(bytes.subarray(read)); ) {
    const limit = left < Number.POSITIVE_INFINITY && { maxOutputLength: Math.max(left, 1) };
    try {
      const start = read + headerBytes(bytes.subarray(read));
      const how = { ...options, ...limit, info: true } as ZlibOptions;
      const { buffer, engine } = inflateRawSync(bytes.subarray(start), how) as unknown as Inflated;
      parts.push(buffer);
      left -= buffer.length;
      read = start + engine.bytesWritten + TRAILER_BYTES;
    } catch (error) {
      // Something else may begin as a member does.
      if (parts.length === 0 || (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw error;
      break;
    }
  }
  return { buffer: parts.length === 1 ? parts[0] : Buffer.concat(parts), read };
}

/** How far beyond what is wanted data are inflated, and thrown away, to come to the checksum at their end: in parts of what is wanted, and bytes. */
const FURTHER = 8;
const FURTHER_BYTES = 1024 ** 2;

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
    for await (const part of Readable.from([bytes]).pipe(createUnzip({ chunkSize: 1024 ** 2 }))) {
      if (done < length) part.copy(start, done);
      done += part.length;
      if (done >= most) break;
    }
  } catch (error) {
    // After a member whose checksum was right, there may be anything.
    if (!NO_MEMBER.test((error as Error).message) || !isMember(bytes)) throw damaged(path, error as Error);
    return inflateMembers(bytes, { maxOutputLength: most }).buffer.subarray(0, length);
  }
  return start.subarray(0, Math.min(done, length));
}

/** Of packed data that cannot be inflated. */
export function damaged(path: string, cause: Error): CaseError {
  return new CaseError(path, `the packed data are damaged or cut off (${cause.message})`, 'Copy the file again from its source', { cause });
}

/** Whether gzip data begin here. */
function isMember(bytes: Buffer): boolean {
  return isGzip(bytes) && bytes[2] === DEFLATE && (bytes[3] & RESERVED) === 0;
}

function headerBytes(bytes: Buffer): number {
  const flags = bytes[3];
  let at = 10;
  if (flags & EXTRA) at += 2 + bytes.readUInt16LE(at);
  for (const text of [NAME, COMMENT]) if (flags & text) at = bytes.indexOf(0, at) + 1;
  return flags & HEADER_CHECKSUM ? at + 2 : at;
}
