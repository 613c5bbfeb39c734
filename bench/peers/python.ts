import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const REQUIREMENTS = join(import.meta.dirname, 'requirements.txt');
const VENV = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'voxfeed-peers-venv');

/**
 * The Python that has the peers: made in the user's cache, where it lies for the next time, by `python3 -m venv` and pip. It takes minutes and
 * 6 GB. Made anew where it was not finished, or where `requirements.txt` is another one by now.
 */
export function peerPython(): string {
  const wanted = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex');
  const [complete, python] = [join(VENV, '.complete'), join(VENV, 'bin/python')];
  if (existsSync(complete) && readFileSync(complete, 'utf8') === wanted) return python;
  process.stderr.write(`installing ${REQUIREMENTS} into ${VENV}\n`);
  rmSync(VENV, { recursive: true, force: true });
  execFileSync('python3', ['-m', 'venv', VENV], { stdio: 'inherit' });
  execFileSync(python, ['-m', 'pip', 'install', '--quiet', '-r', REQUIREMENTS], { stdio: 'inherit' });
  writeFileSync(complete, wanted);
  return python;
}

const MISSING = 'import importlib.util, sys; sys.exit(", ".join(n for n in sys.argv[1:] if importlib.util.find_spec(n) is None) or 0)';

/** A Python of `--python`. @throws Error where it doesn't run, or lacks one of the modules */
export function givenPython(python: string, modules: readonly string[]): string {
  const { status, stderr, error } = spawnSync(python, ['-c', MISSING, ...modules], { encoding: 'utf8' });
  if (status === 0) return python;
  const why = error ? `can't be run (${(error as NodeJS.ErrnoException).code})` : `lacks ${stderr.trim()}`;
  throw new Error(`--python ${python}: ${why}: give one that has them, or leave it out`);
}
