import { FileError, fileError } from './errors.ts';

/** How many items files are looked at for at once: each is open meanwhile, and systems grant a process as few as 256. */
const AT_ONCE = 16;

/** Looks at the files of many items, some at a time. Results in the order of the items; the first error ends it. */
export async function mapFiles<T, R>(items: readonly T[], look: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const position = next++;
      try {
        results[position] = await look(items[position]);
      } catch (error) {
        next = items.length;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, lane));
  return results;
}

/**
 * What is found at a path; null where nothing is there, and only then: that too many files are open, or that nobody may read it, says
 * nothing about what is there.
 * @throws FileError naming the path
 */
export async function ifThere<T>(path: string, found: Promise<T>): Promise<T | null> {
  try {
    return await found;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw fileError(path, error);
  }
}

/** For `.catch`: a file that holds something else, or a folder in its place, is passed over; one that cannot be read is not. */
export function nullIfDamaged(error: Error): null {
  if (error instanceof FileError && (error.cause as NodeJS.ErrnoException | undefined)?.code !== 'EISDIR') throw error;
  return null;
}
