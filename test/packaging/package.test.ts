import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { makeStore } from '../fixtures/store.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const ROOT = join(import.meta.dirname, '../..');
const dir = temporaryFolder();
/** The Node that runs this test, before any other. */
const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` };

/** Packs this checkout and installs the tarball into an empty project, as a user would. */
beforeAll(() => {
  const [{ filename }] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', dir], { cwd: ROOT, env, encoding: 'utf8' }),
  );
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }));
  execFileSync('npm', ['install', '--no-audit', '--no-fund', join(dir, filename)], { cwd: dir, env, stdio: 'pipe' });
}, 300_000);

function run(command: string, ...words: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(command, words, { cwd: dir, env, encoding: 'utf8', timeout: 60_000 });
  return { status, stdout, stderr };
}

describe('the installed tarball', () => {
  it('holds what runs, and no sources, tests or data', () => {
    const installed = join(dir, 'node_modules/voxfeed');
    expect(readdirSync(installed).sort()).toEqual([
      'CHANGELOG.md',
      'CONTRIBUTING.md',
      'LICENSE',
      'README.md',
      'dist',
      'docs',
      'package.json',
    ]);
    expect(existsSync(join(installed, 'dist/kernels.wasm'))).toBe(true);
    expect(existsSync(join(installed, 'dist/patch-worker.js'))).toBe(true);
  });

  it('has a README whose pictures and links are in it', () => {
    const installed = join(dir, 'node_modules/voxfeed');
    const links = [...readFileSync(join(installed, 'README.md'), 'utf8').matchAll(/\]\((?!\w+:)([^)#]+)/g)].map(([, link]) => link);
    expect(links.length).toBeGreaterThan(10);
    expect(links.filter((link) => !existsSync(join(installed, link)))).toEqual([]);
  });

  it('is imported, feeds batches and shares them with another thread', async () => {
    await makeStore(join(dir, 'store'), {
      shapes: [
        [12, 20, 17],
        [16, 16, 16],
      ],
    });
    writeFileSync(
      join(dir, 'train.js'),
      `import { Worker, isMainThread, workerData } from 'node:worker_threads';
       import { openStore, PatchLoader, share, connect } from 'voxfeed';
       if (isMainThread) {
         await using loader = await PatchLoader.create({ store: await openStore('store'), patchSize: [8, 9, 10], batchSize: 3, seed: 7, workers: 2 });
         let count = 0;
         for await (using batch of loader) if (batch.data.length !== 3 * 720 || ++count === 20) break;
         const port = share(loader);
         await new Promise((done) => new Worker(new URL(import.meta.url), { workerData: { port }, transferList: [port] }).on('exit', done));
         console.log(count, loader.state().nextBatch);
       } else {
         await using loader = await connect(workerData.port);
         for await (using batch of loader) if (batch.index === 24) break;
       }`,
    );
    expect(run('node', 'train.js')).toEqual({ status: 0, stdout: '20 25\n', stderr: '' });
  });

  it('has errors by their own names, bundled as it is', () => {
    writeFileSync(
      join(dir, 'names.js'),
      `import * as voxfeed from 'voxfeed';
       const errors = Object.entries(voxfeed).filter(([name]) => name.endsWith('Error') && name !== 'CasesError');
       console.log(errors.length, errors.filter(([name, value]) => new value('', '', '').name !== name).join());`,
    );
    expect(run('node', 'names.js')).toEqual({ status: 0, stdout: '14 \n', stderr: '' });
  });

  it('benches from its command line', () => {
    const { status, stdout } = run(
      'npx',
      '--no-install',
      'voxfeed',
      'bench',
      'store',
      '--patch',
      '8,9,10',
      '--batch',
      '3',
      '--batches',
      '5',
      '--json',
    );
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      foreground: { forced: 5, patches: 15 },
      environment: { voxfeed: expect.stringMatching(/^\d+\.\d+\.\d+/) },
    });
  });

  it('preprocesses', () => {
    const { status, stdout, stderr } = run(
      'npx',
      '--no-install',
      'voxfeed',
      'preprocess',
      join(ROOT, 'examples/data'),
      'hippocampus',
      '--workers',
      '2',
    );
    const lines = /^20 cases in hippocampus, 20 written now\n3d_fullres: patch 40x56x40, batch 2\nadvice: --oversample 0\.\d+ \(.+\)\n$/;
    expect({ status, stdout }, stderr).toEqual({ status: 0, stdout: expect.stringMatching(lines) });
  });

  it('says where its demo runs', () => {
    const { status, stderr } = run('npx', '--no-install', 'voxfeed', 'demo');
    expect(status).toBe(1);
    expect(stderr).toMatch(/the demo runs in a checkout/i);
  });

  it('has types that a strict project accepts', () => {
    writeFileSync(
      join(dir, 'use.ts'),
      `import { type Batch, openStore, PatchLoader } from 'voxfeed';
       const loader: PatchLoader = await PatchLoader.create({ store: await openStore('store'), patchSize: [8, 9, 10], batchSize: 3 });
       const batch: Batch = await loader.next();
       export const first: number = batch.data[0] + batch.target[0];`,
    );
    const options = {
      strict: true,
      noEmit: true,
      module: 'nodenext',
      target: 'esnext',
      lib: ['esnext'],
      types: ['node'],
      typeRoots: [join(ROOT, 'node_modules/@types')],
      skipLibCheck: false,
    };
    writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: ['use.ts'] }));
    expect(run(process.execPath, join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', dir)).toEqual({ status: 0, stdout: '', stderr: '' });
  });
});
