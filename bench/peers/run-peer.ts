import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { pinned } from '../suite/run-job.ts';
import { watchMemory } from './process-memory.ts';

/** What a process prints last, with the peak memory of it and its children. @throws Error with what it printed */
export async function runWatched(cores: number, command: string, words: string[], env: NodeJS.ProcessEnv = {}): Promise<Printed> {
  const [program, given] = pinned(cores, command, words);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = execFile(program, given, { env: { ...process.env, ...env }, maxBuffer: 2 ** 26 }, (error, stdout) =>
    error === null ? resolve(stdout) : reject(error),
  );
  const watched = watchMemory(child.pid as number);
  try {
    const printed = await promise;
    return { ...JSON.parse(printed.trim().split('\n').at(-1) as string), peak_mib: watched.peakMib };
  } finally {
    watched.stop();
  }
}

export type Printed = Record<string, number> & { versions?: Record<string, string> };

/** A script of `bench/peers`: see `peer.py`. */
export function runPeer(python: string, script: string, words: string[], cores: number): Promise<Printed> {
  return runWatched(cores, python, [join(import.meta.dirname, `${script}.py`), ...words]);
}
