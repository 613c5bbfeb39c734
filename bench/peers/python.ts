import { execFileSync } from 'node:child_process';
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
