// `npm run build:wheel [-- PYTHON]`: the pip package, with the npm package and what it needs in it. Writes dist-wheel/voxfeed-….whl.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const PYTHON = process.argv[2] ?? 'python3';
const CARRIED = join(ROOT, 'python/src/voxfeed/_npm');
const OUT = join(ROOT, 'dist-wheel');
/** koffi's compiled parts: batches are mapped where one of them runs, and copied elsewhere. */
const MACHINES = ['linux-x64', 'linux-arm64'];
/** What nothing reads at run time: sources of other languages, types, texts, and packages that others may go without. */
const UNREAD = [
  /\.(d\.[cm]?ts|map|md|markdown|cc|hh|c|h|cpp|hpp|S|asm|inc)$/,
  /(^|\/)(doc|docs|vendor|musl_[^/]*|test|tests|benchmark|\.github)$/,
  /^node_modules\/(@types|@typescript|typescript|@napi-rs|@msgpackr-extract|msgpackr-extract|msgpackr\/dist\/test\.js)$/,
];

const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const run = (command, words, cwd = ROOT) => execFileSync(command, words, { cwd, stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' });
const temporary = mkdtempSync(join(tmpdir(), 'voxfeed-wheel-'));

/** Unpacks an npm package into a folder. */
function unpack(what, into) {
  const [{ filename }] = JSON.parse(run('npm', ['pack', what, '--json', '--ignore-scripts', '--pack-destination', temporary]));
  execFileSync('mkdir', ['-p', into]);
  run('tar', ['-xzf', join(temporary, filename), '--strip-components=1', '-C', into]);
}

try {
  rmSync(CARRIED, { recursive: true, force: true });
  unpack('.', CARRIED);
  copyFileSync(join(ROOT, 'package-lock.json'), join(CARRIED, 'package-lock.json'));
  run('npm', ['ci', '--omit=dev', '--omit=peer', '--ignore-scripts', '--no-audit', '--no-fund', '--os=linux', '--cpu=x64'], CARRIED);
  const modules = join(CARRIED, 'node_modules');
  const koffi = JSON.parse(readFileSync(join(modules, 'koffi/package.json'), 'utf8')).version;
  for (const machine of MACHINES) {
    const folder = join(modules, `@koromix/koffi-${machine}`);
    rmSync(folder, { recursive: true, force: true });
    unpack(`@koromix/koffi-${machine}@${koffi}`, folder);
  }
  for (const entry of readdirSync(CARRIED, { recursive: true }).sort().reverse())
    if (UNREAD.some((unread) => unread.test(entry))) rmSync(join(CARRIED, entry), { recursive: true, force: true });
  for (const name of ['package-lock.json', 'node_modules/.package-lock.json', 'node_modules/.bin'])
    rmSync(join(CARRIED, name), { recursive: true, force: true });
  writeFileSync(join(ROOT, 'python/VERSION'), `${version}\n`);
  rmSync(OUT, { recursive: true, force: true });
  rmSync(join(ROOT, 'python/build'), { recursive: true, force: true });
  run(PYTHON, ['-m', 'pip', 'wheel', '--quiet', '--no-deps', '--wheel-dir', OUT, join(ROOT, 'python')]);
  const [wheel] = readdirSync(OUT);
  process.stdout.write(`dist-wheel/${wheel}: ${(statSync(join(OUT, wheel)).size / 1e6).toFixed(2)} MB\n`);
} finally {
  // A checkout runs from its sources: what was carried must not stand in their way.
  rmSync(CARRIED, { recursive: true, force: true });
  rmSync(temporary, { recursive: true, force: true });
}
