import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../common/errors.ts';
import type { Incoming, Origin } from './origin.ts';

/** Network file systems read ahead by as much. */
const PART_BYTES = 4 * 1024 ** 2;

/** A folder of this machine: a slow disk, or a file server that is mounted. Whether to try again is decided by the system. */
export class FolderOrigin implements Origin {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  place(name: string): string {
    return join(this.#dir, name);
  }

  async open(name: string, from: number): Promise<Incoming> {
    const path = this.place(name);
    try {
      const { size, mtimeMs } = await stat(path);
      return { etag: String(mtimeMs), from, bytes: size, body: read(path, from) };
    } catch (error) {
      throw fileError(path, error);
    }
  }
}

async function* read(path: string, from: number): AsyncGenerator<Uint8Array> {
  const part = Buffer.allocUnsafe(PART_BYTES);
  try {
    await using file = await open(path, 'r');
    for (let at = from; ; ) {
      const { bytesRead } = await file.read(part, 0, part.length, at);
      if (bytesRead === 0) return;
      yield part.subarray(0, bytesRead);
      at += bytesRead;
    }
  } catch (error) {
    throw fileError(path, error);
  }
}
