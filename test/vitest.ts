import { join } from 'node:path';

/**
 * Threads and processes that tests start take stripped and compiled modules from here: a loader then costs half the processor time.
 * Node looks them up by their contents.
 */
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, '../node_modules/.cache/node');

/**
 * What all suites have in common. Files share processes, as loading the sources anew for each costs more than most of their tests do.
 * Loaders start threads of their own: no more processes than small machines have cores.
 */
export const COMMON = {
  setupFiles: 'test/setup.ts',
  pool: 'forks',
  isolate: false,
  maxWorkers: 2,
  testTimeout: 120_000,
  hookTimeout: 120_000,
} as const;
