/**
 * Makes the archive that `run.py --carry` unpacks where there are no Node and no registry, about 45 MB:
 *
 *     node bench/gpu/pack.ts [ARCHIVE]      # default: bench/gpu/carry.tar.xz
 *
 * Node, the packages that voxfeed runs with, `webgpu` for this platform, the built kernels, and of this system Vulkan's loader with the
 * two libraries that NVIDIA's driver needs beside it.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const [archive = join(import.meta.dirname, 'carry.tar.xz')] = process.argv.slice(2);
const stage = mkdtempSync(join(tmpdir(), 'voxfeed-carry-'));
const CARRIED = 'node_modules/.carried';
const SYSTEM = ['/usr/lib/x86_64-linux-gnu', '/usr/lib64', '/usr/lib/aarch64-linux-gnu'];
/** Without the last two, "vkCreateInstance: Found no drivers!" is all that a machine without them says. Debian: libvulkan1 libegl1 libglvnd0. */
const LIBRARIES = ['libvulkan.so.1', 'libEGL.so.1', 'libGLdispatch.so.0'];

const put = (from: string, to: string): void => cpSync(from, join(stage, to), { recursive: true, dereference: true });
put(process.execPath, `${CARRIED}/node`);
for (const name of packages(Object.keys(manifest(ROOT).dependencies))) put(join(ROOT, 'node_modules', name), `node_modules/${name}`);
const platform = `dist/${process.platform}-${process.arch}`;
for (const part of ['package.json', 'index.js', platform]) put(join(ROOT, 'node_modules/webgpu', part), `node_modules/webgpu/${part}`);
put(join(ROOT, 'src/kernels/kernels.wasm'), 'src/kernels/kernels.wasm');
const missing: string[] = [];
for (const library of LIBRARIES) {
  const path = SYSTEM.map((dir) => join(dir, library)).find(existsSync);
  if (path) put(path, `${CARRIED}/${library}`);
  else missing.push(library);
}

execFileSync('tar', ['--create', '--xz', '--file', resolve(archive), '--directory', stage, 'node_modules', 'src'], {
  env: { ...process.env, XZ_OPT: '-6 -T0' },
});
rmSync(stage, { recursive: true });
console.log(
  `${archive}: ${(statSync(archive).size / 1e6).toFixed(1)} MB${missing.length === 0 ? '' : `, without ${missing.join(' and ')}, which this system does not have`}`,
);

interface Manifest {
  dependencies: Record<string, string>;
}

function manifest(dir: string): Manifest {
  return { dependencies: {}, ...JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) };
}

/** These packages and all that they need, which npm has laid side by side. */
function packages(names: readonly string[], found = new Set<string>()): Set<string> {
  for (const name of names) {
    if (found.has(name)) continue;
    found.add(name);
    const dir = join(ROOT, 'node_modules', name);
    if (!existsSync(dir)) throw new Error(`${name} is not in ${dirname(dir)}: run npm ci`);
    packages(Object.keys(manifest(dir).dependencies), found);
  }
  return found;
}
