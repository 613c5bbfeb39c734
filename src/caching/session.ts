import { randomUUID } from 'node:crypto';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../common/errors.ts';
import { makeFolders } from '../common/folders.ts';
import { takeLock, tryLock } from '../common/lock-file.ts';

const SESSIONS = 'sessions';
const LOCK = '.lock';

/**
 * A folder within the cache that one loader has to itself, for its links: what it reads lies there under the names that cases have in a
 * store. A lock says that the loader lives. The folders of killed ones go when the next one begins.
 */
export async function openSession(cacheDir: string): Promise<{ dir: string } & AsyncDisposable> {
  const sessions = join(cacheDir, SESSIONS);
  await makeFolders(sessions);
  await clearLeft(sessions);
  const name = randomUUID();
  const dir = join(sessions, name);
  await using stack = new AsyncDisposableStack();
  // Taken before, and given back after the folder: one without a lock is nobody's.
  stack.use(await takeLock(sessions, name + LOCK, false));
  stack.defer(() => rm(dir, { recursive: true, force: true }).catch(() => {}));
  await makeFolders(dir);
  const held = stack.move();
  return { dir, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

async function clearLeft(sessions: string): Promise<void> {
  const names = await readdir(sessions).catch((error) => {
    throw fileError(sessions, error);
  });
  for (const name of new Set(names.map((found) => found.slice(0, 36)))) {
    await using lock = await tryLock(sessions, name + LOCK);
    if (lock !== null) await rm(join(sessions, name), { recursive: true, force: true }).catch(() => {});
  }
}
