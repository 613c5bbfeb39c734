import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { MAIN } from '../fixtures/paths.ts';

/** How a command ended. */
export interface Ended {
  words: readonly string[];
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  peakBytes: number;
  hung: boolean;
}

export interface Surroundings {
  cwd?: string;
  /** What is written before the program: `strace -f …`, or a shell line that ends in `exec "$@"`. */
  before?: readonly string[];
  /** Killed so, after so many milliseconds; default: never. */
  killAfter?: number;
  /** Nobody reads standard output, or standard error. */
  closed?: 'stdout' | 'stderr';
}

/** Longer than any command of the campaign takes. */
const MOST_MS = 180_000;

/** As in the tests: compiled modules are kept from one process to the next. */
const ENVIRONMENT = { NODE_COMPILE_CACHE: join(import.meta.dirname, '../../node_modules/.cache/node'), ...process.env };

/** Says how much memory the process took at most, on a line of its own at the end of standard error. */
const PEAK = `data:text/javascript,${encodeURIComponent(`
  import { writeSync } from 'node:fs';
  process.on('exit', () => { try { writeSync(2, '\\npeak ' + process.resourceUsage().maxRSS + '\\n'); } catch {} });
`)}`;

/** Runs one command line as a user does. */
export async function runCommand(words: readonly string[], { cwd, before = [], killAfter, closed }: Surroundings = {}): Promise<Ended> {
  const [program, ...rest] = [...before, process.execPath, '--import', PEAK, MAIN, ...words];
  const child = spawn(program, rest, { cwd, env: ENVIRONMENT, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    if (closed === name) child[name].destroy();
    else child[name].setEncoding('utf8').on('data', (text) => (texts[name] += text));
  }
  let hung = false;
  const end = (): void => void process.kill(-(child.pid as number), 'SIGKILL');
  const limit = setTimeout(() => {
    hung = true;
    end();
  }, MOST_MS);
  const killer = killAfter === undefined ? undefined : setTimeout(end, killAfter);
  const [status, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
    child.on('close', (status, signal) => resolve([status, signal])),
  );
  clearTimeout(limit);
  clearTimeout(killer);
  const peakBytes = 1024 * Number(/^peak (\d+)$/m.exec(texts.stderr)?.[1] ?? 0);
  return { words, status, signal, ...texts, stderr: texts.stderr.replace(/\n?^peak \d+\n/m, ''), peakBytes, hung };
}

/** What is wrong with how a command ended, whatever it was asked; null if nothing is. */
export function wrongWithEnd({ status, signal, stderr, hung }: Ended): string | null {
  if (hung) return 'it hung';
  if (signal !== null) return `it died of ${signal}: ${stderr.slice(-500)}`;
  if (/\n {4}at /.test(stderr)) return `a stack trace: ${stderr.slice(-1500)}`;
  if (![0, 1, 2, 141].includes(status as number)) return `status ${status}: ${stderr.slice(-500)}`;
  if ((status === 1 || status === 2) && !/^error: .*\S/m.test(stderr) && !/^usage: /m.test(stderr))
    return `no sentence: ${stderr.slice(-500)}`;
  if (/\[object |: undefined\b/.test(stderr)) return `it says nothing: ${stderr.slice(-500)}`;
  return null;
}
