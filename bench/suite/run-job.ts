import { execFile, spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Job } from './job.ts';

const execute = promisify(execFile);

/** Whether processes can be bound to cores here. */
export const CAN_PIN = spawnSync('taskset', ['-c', '0', 'true']).status === 0;
if (!CAN_PIN) process.stderr.write('not pinned to cores: there is no taskset here\n');

/** A command and its words, bound to so many cores, the last ones of the machine: the first has the system's own work. */
export function pinned(cores: number, command: string, words: string[]): [string, string[]] {
  const all = availableParallelism();
  if (!CAN_PIN || cores >= all) return [command, words];
  return ['taskset', ['-c', cores === 1 ? String(all - 1) : `${all - cores}-${all - 1}`, command, ...words]];
}

/** What does a job that it is given as JSON. */
export const JOB_SCRIPT = join(import.meta.dirname, 'measure.ts');

/** As in a training: NODE_ENV is production. With the time, for what is counted from the start of the process. */
export const JOB_ENVIRONMENT = (): NodeJS.ProcessEnv => ({
  NODE_ENV: 'production',
  VOXFEED_BENCH_STARTED: String(performance.timeOrigin + performance.now()),
});

/** Measures in a process of its own, on so many cores. @throws Error with what it printed */
export function runJob(job: Job, cores: number): Promise<Record<string, number>> {
  return runScript(JOB_SCRIPT, job, cores);
}

/** The same by another script. */
export async function runScript(script: string, what: unknown, cores: number): Promise<Record<string, number>> {
  const [command, words] = pinned(cores, process.execPath, [script, JSON.stringify(what)]);
  const { stdout } = await execute(command, words, { env: { ...process.env, ...JOB_ENVIRONMENT() } });
  return JSON.parse(stdout);
}
