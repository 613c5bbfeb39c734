import { mkdir, readdir, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { PARTIAL } from './atomic-file.ts';
import { fileError } from './errors.ts';
import { lockFolder } from './folder-lock.ts';
import type { Part } from './part.ts';

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

/**
 * Makes the folder, keeps other runs from writing into it, and clears away what a killed one was writing. Given back, folders that were
 * made and that nothing was finished in leave with it. A part clears and removes nothing: others may be writing it.
 * @throws FileError, also where another run has it
 */
export async function openFolder(dir: string, part?: Part): Promise<AsyncDisposable> {
  const made = await makeFolders(dir);
  if (part !== undefined) return lockFolder(dir, part);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => removeEmpty(made));
  stack.use(await lockFolder(dir));
  await clearPartial(dir);
  return stack.move();
}

/** Makes a folder within one that is open. Returns the folders it had to make, innermost first. */
export async function makeFolder(dir: string, part?: Part): Promise<string[]> {
  const made = await makeFolders(dir);
  if (part !== undefined) return [];
  await clearPartial(dir);
  return made;
}

async function clearPartial(dir: string): Promise<void> {
  try {
    for (const name of await readdir(dir)) if (name.endsWith(PARTIAL)) await rm(join(dir, name), { force: true });
  } catch (error) {
    throw fileError(dir, error);
  }
}

/** Folders that a run made and that nothing was finished in leave with it. */
export async function removeEmpty(folders: readonly string[]): Promise<void> {
  for (const path of folders) await rmdir(path).catch(() => {});
}
