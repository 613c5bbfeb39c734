import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../common/errors.ts';
import { download, type Sink } from '../remote/download.ts';
import type { Origin } from '../remote/origin.ts';
import type { CaseItem } from './case-items.ts';

/** Copies the files of an item into a folder. @returns how many bytes came @throws what `download` throws; FileError naming the copy */
export async function copyItem(origin: Origin, { files }: CaseItem, dir: string, signal: AbortSignal): Promise<number> {
  let bytes = 0;
  for (const { name, ...expected } of files) {
    await writing(join(dir, name), (write) =>
      download(
        origin,
        name,
        expected,
        (part, at) => {
          bytes += part.length;
          return write(part, at);
        },
        signal,
      ),
    );
  }
  return bytes;
}

/** Writes a file that is flushed to the disk at the end. @throws FileError naming it where it cannot be written */
async function writing(path: string, use: (write: Sink) => Promise<void>): Promise<void> {
  let file: FileHandle;
  try {
    file = await open(path, 'w');
  } catch (error) {
    throw fileError(path, error);
  }
  try {
    let end = 0;
    await use(async (part, at) => {
      try {
        for (let written = 0; written < part.length; )
          written += (await file.write(part, written, part.length - written, at + written)).bytesWritten;
      } catch (error) {
        throw fileError(path, error);
      }
      end = at + part.length;
    });
    await file.truncate(end);
    await file.sync();
  } catch (error) {
    throw fileError(path, error);
  } finally {
    await file.close();
  }
}
