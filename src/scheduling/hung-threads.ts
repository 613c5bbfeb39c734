import { createRequire } from 'node:module';

/** Threads that were ended and go on: they hang in a system call. */
const hung = new Set<Promise<void>>();

/** Says that a thread hangs where it cannot be ended, and sees to it that the process can end all the same. */
export function outlived(gone: Promise<void>): void {
  if (hung.has(gone)) return;
  hung.add(gone);
  void gone.then(() => hung.delete(gone));
  process.emitWarning(
    'A worker thread hangs in a system call and cannot be ended. Look for a file system that does not answer. Its memory is lost until the process ends.',
    'VoxfeedWarning',
  );
  if (hung.size === 1) process.once('exit', leave);
}

/**
 * Node waits for its threads before it ends, however it is asked to. Where one of them will not come, the process ends itself: with its
 * status by the system's own call, which takes the optional koffi; without it by a signal, which is status 137.
 */
function leave(status: number): void {
  if (hung.size === 0) return;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    koffi.load(null).func('void _exit(int)')(status);
  } catch {
    process.kill(process.pid, 'SIGKILL');
  }
}
