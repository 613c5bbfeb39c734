import { readdir } from 'node:fs/promises';
import { fileError } from './errors.ts';
import { removeLeft, takeLock } from './lock-file.ts';
import type { Part } from './part.ts';

/** Says who writes into the folder that it lies in. Of a part, it is this name with `-3-of-16`. */
export const LOCK_FILE = '.voxfeed-lock';

const OF_PART = /^\.voxfeed-lock-\d+-of-(\d+)$/;

/**
 * Keeps others from writing into a folder while one run does. Whoever comes second hears who has it. A lock that a killed run left is
 * taken over.
 *
 * Parts of one division may write side by side: each has a file of its own. Everybody makes their own file first and looks for others'
 * after that, so that of two who come at once one sees the other, or both do.
 * @throws FileError naming the folder, if another run writes into it or no file can be made there
 */
export async function lockFolder(dir: string, part?: Part): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  // A part is run again by a scheduler, which asks nobody: it waits until the one that died with its machine has been silent for long.
  stack.use(await takeLock(dir, part === undefined ? LOCK_FILE : `${LOCK_FILE}-${part[0]}-of-${part[1]}`, part !== undefined));
  for (const name of await locksOf(dir)) {
    const [, of] = OF_PART.exec(name) ?? [];
    if (part === undefined ? of !== undefined : Number(of) !== part[1]) await removeLeft(dir, name);
  }
  return stack.move();
}

async function locksOf(dir: string): Promise<string[]> {
  const names = await readdir(dir).catch((error) => {
    throw fileError(dir, error);
  });
  return names.filter((name) => name === LOCK_FILE || OF_PART.test(name));
}
