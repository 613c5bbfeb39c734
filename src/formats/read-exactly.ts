import { readSync } from 'node:fs';
import { fileError, StoreError } from '../common/errors.ts';
import { beat } from '../common/progress.ts';

/** Node counts the bytes of one read in 31 bits. */
const MOST_AT_ONCE = 1024 ** 3;

/** A file that is open for reading. */
export interface OpenFile {
  path: string;
  fd: number;
  /** What to do if it is damaged, a sentence. */
  remedy: string;
}

/** Reads exactly `length` bytes from `position` on to `into[at]`. @throws StoreError if the file ends before; FileError */
export function readExactly({ path, fd, remedy }: OpenFile, into: Uint8Array, at: number, length: number, position: number): void {
  let done = 0;
  while (done < length) {
    let count: number;
    try {
      count = readSync(fd, into, at + done, Math.min(length - done, MOST_AT_ONCE), position + done);
    } catch (error) {
      throw fileError(path, error);
    }
    if (count === 0) throw new StoreError(path, `it ends at byte ${position + done}, before the voxels do`, remedy);
    done += count;
    beat();
  }
}
