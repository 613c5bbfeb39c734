import { mkdir, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileError } from './errors.ts';

/**
 * Makes a folder and those that it lies in. Node's own `recursive` says ENOENT where a file system is read-only or a quota used up,
 * and below /proc it spins for ever.
 * @returns the folders that were made, innermost first
 * @throws FileError naming the folder that could not be made
 */
export async function makeFolders(dir: string): Promise<string[]> {
  const path = resolve(dir);
  const first = await makeOne(path);
  if (first !== 'orphan') return first === 'made' ? [path] : [];
  const outer = await makeFolders(dirname(path));
  const second = await makeOne(path);
  if (second !== 'orphan') return second === 'made' ? [path, ...outer] : outer;
  // Its parent is there, and yet has no room for it, as below /proc.
  throw fileError(path, Object.assign(new Error('no folder can be made there'), { code: 'ENOENT' }));
}

async function makeOne(path: string): Promise<'made' | 'there' | 'orphan'> {
  try {
    await mkdir(path);
    return 'made';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && dirname(path) !== path) return 'orphan';
    // A folder that is there may be reported as EEXIST, or as what keeps another one from being made (EROFS, EACCES).
    const found = await stat(path).catch(() => null);
    if (found?.isDirectory()) return 'there';
    throw fileError(path, found !== null && code === 'EEXIST' ? Object.assign(new Error('it is a file'), { code }) : error);
  }
}
