import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The path of a module in `workers/`, as TypeScript when run from the sources and as JavaScript when run from `dist/`. */
export function workerFile(name: string): string {
  return fileURLToPath(new URL(`../workers/${name}${extname(import.meta.url)}`, import.meta.url));
}
