import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileError } from './errors.ts';

/** The ending of a file that is still being written. Whatever carries it can be removed. */
export const PARTIAL = '.voxfeed-partial';

/** Node counts the bytes of one write in 31 bits. */
const MOST_AT_ONCE = 1024 ** 3;

/**
 * Writes a file that is either there whole or not at all: a temporary file beside it, flushed to the disk, then renamed. Of several who
 * write it at once, the last one stays. Where a symbolic link stands, it is replaced: nothing is written to where it leads.
 * @param flushFolder whether its name is on the disk, too; not needed where a file that follows in this folder sees to that
 * @throws FileError naming `path`; the temporary file is removed.
 */
export async function writeAtomic(path: string, parts: readonly Uint8Array[], { flushFolder = true } = {}): Promise<void> {
  const temporary = `${path}.${process.pid}-${crypto.randomUUID().slice(0, 8)}${PARTIAL}`;
  try {
    // Exclusively: a file or link that stands there is somebody else's.
    const file = await open(temporary, 'wx');
    try {
      for (const part of parts) await writeFully(file, part);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    if (flushFolder) await syncFolder(dirname(path));
  } catch (error) {
    // Whatever keeps it from being removed is not what the user needs to hear.
    await rm(temporary, { force: true }).catch(() => {});
    throw fileError(path, error);
  }
}

/** Writes all of it where the file stands. */
export async function writeFully(file: FileHandle, part: Uint8Array): Promise<void> {
  let written = 0;
  while (written < part.length) written += (await file.write(part, written, Math.min(part.length - written, MOST_AT_ONCE))).bytesWritten;
}

/** What systems answer that sync files but not folders, such as some network file systems. */
const NO_FOLDER_SYNC = ['EINVAL', 'EBADF', 'ENOTSUP'];

/** Makes the rename itself durable, where the system lets a folder be synced (Windows does not). */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } catch (error) {
    if (!NO_FOLDER_SYNC.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  } finally {
    await folder.close();
  }
}
