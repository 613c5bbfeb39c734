/**
 * Bundles the page of `voxfeed view` into src/view/built: scripts, styles, and the licences of what is in them. The font goes to the
 * pictures, which have it too. `npm run build:view`.
 */
import { copyFileSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { FONT_FILE } from '../../pictures/drawing.ts';

const HERE = import.meta.dirname;
const ROOT = resolve(HERE, '../../..');
const OUT = join(HERE, '../built');
const NOTHING = join(HERE, 'nothing.ts');
const FONT_PACKAGE = '@fontsource-variable/inter';

rmSync(OUT, { recursive: true, force: true });
mkdirSync(OUT, { recursive: true });
const { metafile } = await build({
  absWorkingDir: ROOT,
  entryPoints: [join(HERE, 'main.tsx'), join(HERE, 'index.html'), join(HERE, 'icon.svg')],
  outdir: OUT,
  bundle: true,
  minify: true,
  splitting: true,
  format: 'esm',
  target: 'es2022',
  chunkNames: '[name]-[hash]',
  assetNames: '[name]',
  loader: { '.html': 'copy', '.svg': 'copy' },
  external: ['*.woff2'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  // NiiVue reads Zarr, too; what that decompresses with is most of it, and no case comes so.
  alias: { 'numcodecs/blosc': NOTHING, 'numcodecs/zstd': NOTHING, 'numcodecs/lz4': NOTHING },
  // They are in licences.txt, all of them.
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
});
copyFileSync(join(ROOT, 'node_modules', FONT_PACKAGE, 'files/inter-latin-wght-normal.woff2'), FONT_FILE);
const packages = [
  ...new Set([
    FONT_PACKAGE,
    ...Object.keys(metafile.inputs).flatMap((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []),
  ]),
];
writeFileSync(join(OUT, 'licences.txt'), packages.sort().map(licenceOf).join('\n\n'));

/** A package's name, version and the text of its licence. */
function licenceOf(name: string): string {
  const dir = join(ROOT, 'node_modules', name);
  const { version, license } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) as { version: string; license: string };
  const [file] = globSync('LICEN[CS]E*', { cwd: dir });
  return `${name} ${version} (${license})\n\n${file === undefined ? '' : readFileSync(join(dir, file), 'utf8').trim()}\n`;
}
