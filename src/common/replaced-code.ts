import { extname } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { isMainThread } from 'node:worker_threads';

/*
 * V8 13 frees code of WebAssembly that it has replaced by better code. Where several threads do so, or end, at once, its list of code pages
 * may lose an entry, and V8 ends the whole process (`Check failed: jit_page.has_value()`, or a segmentation fault; nodejs/node#64500).
 * Keeping replaced code, a few hundred kilobytes, leaves it nothing to free. The flag is the process's, and set as late as it can be: with
 * another one, V8 throws away what Node has compiled of itself ahead of time, and the next thread takes 50 ms longer to start. Threads that
 * the user starts have it from the first of ours on that runs WebAssembly.
 */

/** To be called before WebAssembly is compiled. As long as there is only the main thread, it may free what it likes. */
export function keepReplacedCode(): void {
  if (!isMainThread) keep();
}

/** To be called before threads start whose modules are TypeScript: the first WebAssembly that they run is what strips types. */
export function keepReplacedStripper(): void {
  if (extname(import.meta.url) === '.ts') keep();
}

function keep(): void {
  setFlagsFromString('--no-wasm-code-gc');
}
