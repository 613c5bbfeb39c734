import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { view } from '../../src/cli/view.ts';
import { openStore } from '../../src/store/store.ts';
import { ViewApi } from '../../src/view/api.ts';
import type { AboutFacts, BatchFacts, CaseFacts, VolumeFacts } from '../../src/view/facts.ts';
import { MAIN } from '../fixtures/paths.ts';
import { makeStore } from '../fixtures/store.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { decode } from './view.ts';

const dir = temporaryFolder();

it('voxfeed view prints its address, serves the page, and ends in good order', async () => {
  await makeStore(join(dir, 'store'), { shapes: [[7, 9, 11]], label: (_, z) => Number(z === 3) });
  const words = ['view', join(dir, 'store'), '--patch', '4,5,6', '--batch', '2', '--workers', '1', '--no-open'];
  const child = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const address = line.toString().trim();
  const page = await fetch(address);
  expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
  for (const name of (await page.text()).matchAll(/(?:href|src)="([^"]+)"/g)) expect((await fetch(address + name[1])).status).toBe(200);
  expect((await fetch(`${address}inter.woff2`)).headers.get('content-type')).toBe('font/woff2');
  const batch = await fetch(`${address}api/batch?batch=1`);
  expect(decode<BatchFacts>(new Uint8Array(await batch.arrayBuffer())).facts.cards).toHaveLength(2);
  child.kill('SIGINT');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

it('says in its help what the augmentation is by default', () => {
  const help = view().configureHelp({ helpWidth: 1000 }).helpInformation();
  expect(help).toMatch(/--augmentation <A> .*; default: default\n/);
});

it('outlines regions by their numbers, in samples as in whole cases', async () => {
  const labels = { background: 0, whole: [1, 2], core: 2 };
  await makeStore(join(dir, 'regions'), { shapes: [[6, 6, 6]], labels, label: (_, z) => (z < 2 ? 2 : z < 4 ? 1 : 0) });
  const store = await openStore(join(dir, 'regions'));
  const options = { patchSize: [6, 6, 6], batchSize: 2, oversample: 0, workers: 1 };
  await using api = new ViewApi(store, options);
  const ask = async (name: string, query = {}): Promise<Uint8Array> =>
    Buffer.from((await api.answer(name, new URLSearchParams(query)))?.body as Uint8Array);
  const about = JSON.parse(Buffer.from(await ask('about')).toString()) as AboutFacts;
  expect(about.outlines).toMatchObject([{ name: 'whole', label: 1 }, { name: 'core', label: 2 }]); // biome-ignore format: short
  const [found] = JSON.parse(Buffer.from(await ask('cases')).toString()) as CaseFacts[];
  expect(found.voxels).toEqual({ whole: 144, core: 72 });
  const volume = decode<VolumeFacts>(await ask('volume'));
  expect([0, 2, 4].map((z) => volume.arrays.labels.bytes.readInt16LE(2 * 36 * z))).toEqual([2, 1, 0]);
  // As labels and as masks: both are drawn alike.
  for (const augmentation of ['none', 'validation']) {
    const batch = decode<BatchFacts>(await ask('batch', { options: JSON.stringify({ augmentation }) }));
    for (const { holds } of batch.facts.cards) expect(holds).toEqual([1, 2].map((label) => ({ label, share: 1 / 3 })));
  }
});
