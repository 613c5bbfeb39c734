import { extname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { warnOfAddressLimit } from './addresses.ts';
import { WorkerError } from './errors.ts';
import { addressSpaceLeft } from './granted.ts';
import { makeLocked } from './thread-end.ts';

/** The path of a module in `workers/`: as TypeScript when run from the sources, bundled beside this file when run from `dist/`. */
export function workerFile(name: string): string {
  const file = extname(import.meta.url) === '.ts' ? `../../workers/${name}.ts` : `./${name}.js`;
  return fileURLToPath(new URL(file, import.meta.url));
}

/**
 * Starts a thread that runs a module of `workers/`. The module is imported, as threads inherit flags of the process, and with
 * `--input-type` among them (`node --input-type=module --eval …`) a file can be no thread's main module.
 * @throws WorkerError if the system gives no more threads
 */
export function startThread(name: string, options: WorkerOptions): Worker {
  return makeThread(
    () => new Worker(`import(${JSON.stringify(pathToFileURL(workerFile(name)).href)})`, { ...options, eval: true }),
    (worker) => worker,
  );
}

/** What V8 reserves for a thread, measured, and what the thread then needs. Without, it does not fail but ends the process. */
const THREAD_ADDRESS_SPACE = 800 * 1024 ** 2;

/** Threads that have not taken theirs yet. */
const starting = new Set<Worker>();

/** Makes a thread by whatever means. @throws WorkerError if the system gives no more threads */
export function makeThread<T>(make: () => T, threadOf: (made: T) => Worker): T {
  warnOfAddressLimit();
  try {
    if (addressSpaceLeft() < (starting.size + 1) * THREAD_ADDRESS_SPACE)
      throw Object.assign(new Error('a thread takes 800 MiB of address space, and `ulimit -v` leaves less'), { code: 'ENOMEM' });
    const made = makeLocked(make, threadOf);
    const thread = threadOf(made);
    starting.add(thread);
    for (const event of ['online', 'error', 'exit']) thread.once(event, () => starting.delete(thread));
    return made;
  } catch (error) {
    throw noThreads(error as Error);
  }
}

/**
 * The flags for threads whose main module is a file, where they must be others than those of this process: none, where it was started with
 * `--input-type`, which a file does not go with.
 */
export function inheritedFlags(): string[] | undefined {
  return process.execArgv.some((flag) => flag.startsWith('--input-type')) ? [] : undefined;
}

/** What says that the system gives no more threads, or not what a thread needs: processes, descriptors, memory. */
const REFUSALS = ['ERR_WORKER_INIT_FAILED', 'EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM'];

/** What a thread fails with that the system does not give; another error as it is. It may also come as the thread's 'error' event. */
export function noThreads(error: Error): Error {
  // What Node says of its own files has no code.
  if (!REFUSALS.includes((error as NodeJS.ErrnoException).code ?? '') && !/too many open files/i.test(error.message)) return error;
  return new WorkerError(
    'workers',
    `the system starts no more threads (${error.message.replace(/^Worker initialization failure: /, '')})`,
    'Use fewer `workers`, or raise its limits: `ulimit -u` and pids of the container (threads), `ulimit -n` (open files), `ulimit -v` (addresses)',
    { cause: error },
  );
}
