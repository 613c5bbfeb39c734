import { extname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { WorkerError } from './errors.ts';

/** The path of a module in `workers/`, as TypeScript when run from the sources and as JavaScript when run from `dist/`. */
export function workerFile(name: string): string {
  return fileURLToPath(new URL(`../../workers/${name}${extname(import.meta.url)}`, import.meta.url));
}

/**
 * Starts a thread that runs a module of `workers/`. The module is imported, as threads inherit flags of the process, and with
 * `--input-type` among them (`node --input-type=module --eval …`) a file can be no thread's main module.
 * @throws WorkerError if the system gives no more threads
 */
export function startThread(name: string, options: WorkerOptions): Worker {
  try {
    return new Worker(`import(${JSON.stringify(pathToFileURL(workerFile(name)).href)})`, { ...options, eval: true });
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

/** What a thread fails with that the system does not give; another error as it is. It may also come as the thread's 'error' event. */
export function noThreads(error: Error): Error {
  if ((error as NodeJS.ErrnoException).code !== 'ERR_WORKER_INIT_FAILED') return error;
  return new WorkerError(
    'workers',
    `the system starts no more threads (${error.message})`,
    'Use fewer `workers`, or raise the limit of threads (`ulimit -u`, pids of the container) or of open files (`ulimit -n`)',
    { cause: error },
  );
}

/**
 * To be called before threads start that run WebAssembly: the kernels and, from the sources, the module that strips types. V8 13 frees
 * code that it has replaced by better code; where several threads do so, or end, at once, its list of code pages may lose an entry,
 * and V8 ends the whole process (`Check failed: jit_page.has_value()`, or a segmentation fault; nodejs/node#64500). Keeping replaced
 * code, a few hundred kilobytes, leaves it nothing to free.
 */
export function keepReplacedCode(): void {
  setFlagsFromString('--no-wasm-code-gc');
}
