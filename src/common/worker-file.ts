import { extname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { addressSpaceLeft } from './granted.ts';

/** The path of a module in `workers/`, as TypeScript when run from the sources and as JavaScript when run from `dist/`. */
export function workerFile(name: string): string {
  return fileURLToPath(new URL(`../../workers/${name}${extname(import.meta.url)}`, import.meta.url));
}

/**
 * Starts a thread that runs a module of `workers/`. The module is imported, as threads inherit flags of the process, and with
 * `--input-type` among them (`node --input-type=module --eval …`) a file can be no thread's main module.
 * @throws Error if the system gives no more threads
 */
export function startThread(name: string, options: WorkerOptions): Worker {
  refuseWithoutRoom();
  const worker = new Worker(`import(${JSON.stringify(pathToFileURL(workerFile(name)).href)})`, { ...options, eval: true });
  starting.add(worker);
  for (const event of ['online', 'error', 'exit']) worker.once(event, () => starting.delete(worker));
  return worker;
}

/** What V8 reserves for a thread, measured, and what the thread then needs. Without, it does not fail but ends the process. */
const THREAD_ADDRESS_SPACE = 800 * 1024 ** 2;

/** Threads that have not taken theirs yet. */
const starting = new Set<Worker>();

function refuseWithoutRoom(): void {
  if (addressSpaceLeft() >= (starting.size + 1) * THREAD_ADDRESS_SPACE) return;
  const message = 'ENOMEM: a thread takes 800 MiB of address space, and `ulimit -v` leaves less';
  throw Object.assign(new Error(message), { code: 'ENOMEM' });
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
