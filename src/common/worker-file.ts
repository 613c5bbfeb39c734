import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';

/** The path of a module in `workers/`, as TypeScript when run from the sources and as JavaScript when run from `dist/`. */
export function workerFile(name: string): string {
  return fileURLToPath(new URL(`../../workers/${name}${extname(import.meta.url)}`, import.meta.url));
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
