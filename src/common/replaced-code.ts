import { extname } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { isMainThread } from 'node:worker_threads';

/**
 * To be called before a thread compiles WebAssembly. V8 13 frees code that it has replaced by better code; where several threads do so, or
 * end, at once, its list of code pages may lose an entry, and V8 ends the whole process (`Check failed: jit_page.has_value()`, or a
 * segmentation fault; nodejs/node#64500). Keeping replaced code, a few hundred kilobytes, leaves it nothing to free.
 *
 * Not by the main thread, before it starts others: with another flag, V8 throws away what Node has compiled of itself ahead of time, and
 * the first of them takes 50 ms longer to start. Alone, it may free what it likes.
 */
export function keepReplacedCode(): void {
  if (!isMainThread) setFlagsFromString('--no-wasm-code-gc');
}

/** To be called before threads start: from the sources, the first WebAssembly that they run is the module that strips types. */
export function keepReplacedStripper(): void {
  if (extname(import.meta.url) === '.ts') setFlagsFromString('--no-wasm-code-gc');
}
