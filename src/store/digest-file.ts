import { open } from 'node:fs/promises';
import { Digest } from '../common/hash.ts';
import type { StoredFile } from './sidecar.ts';

const CHUNK_BYTES = 8 * 1024 * 1024;

/** The size of a file and the xxHash64 of its bytes, a piece at a time. @throws what the system says */
export async function digestFile(path: string): Promise<StoredFile> {
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  const digest = await Digest.create();
  const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, Math.max(size, 1)));
  let at = 0;
  while (at < size) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
    if (bytesRead === 0) break;
    digest.update(chunk.subarray(0, bytesRead));
    at += bytesRead;
  }
  return { bytes: size, xxh64: digest.hex() };
}
