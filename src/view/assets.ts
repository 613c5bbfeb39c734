import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { FileError } from '../common/errors.ts';
import { FONT_FILE } from '../pictures/drawing.ts';
import type { Answer } from './server.ts';

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
};

/** The built page: `npm run build:view` makes it. */
export const PAGE_DIR = join(import.meta.dirname, 'built');

/**
 * The page's files by name, read once: what a request names is looked up here, and never on the disk.
 * @throws FileError where the page was not built
 */
export function readAssets(dir = PAGE_DIR): ReadonlyMap<string, Answer> {
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch (error) {
    throw new FileError(dir, 'the page is not built', 'In a checkout, run `npm run build:view`; a package has it', { cause: error });
  }
  const files = names.flatMap((name): [string, Answer][] => {
    const type = TYPES[extname(name)];
    return type === undefined ? [] : [[name, { type, body: readFileSync(join(dir, name)) }]];
  });
  return new Map([...files, ['inter.woff2', { type: TYPES['.woff2'], body: readFileSync(FONT_FILE) }]]);
}
