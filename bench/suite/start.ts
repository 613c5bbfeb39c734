import { existsSync, linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Triple } from '../../src/common/geometry.ts';
import { hasher } from '../../src/common/hash.ts';
import { openStore, type Store, writeStore } from '../../src/index.ts';
import { caseFiles, INDEX_FILE } from '../../src/store/file-names.ts';
import { encodeIndex } from '../../src/store/store-index.ts';
import type { Part } from '../report/result.ts';
import { CACHE, CONFIGURATIONS, hippocampusStore, optionsOf } from './configurations.ts';
import type { Plan } from './plan.ts';
import { type Entry, rounds, rowsOf } from './rounds.ts';
import { runJob } from './run-job.ts';

/** From nothing to the first batch of the hippocampus cases. */
export async function startPart(plan: Plan): Promise<Part> {
  const { dir: store } = await hippocampusStore();
  const entries: Entry[] = [1, 2].map((workers) => ({
    name: `hippocampus, ${workers} worker${workers > 1 ? 's' : ''}`,
    run: () => runJob({ kind: 'first-batch', store, options: optionsOf(CONFIGURATIONS.hippocampus3d, 1, workers) }, 2),
  }));
  return {
    title: 'Time to the first batch',
    about:
      'From the start of the process, on two cores; files are in the page cache. Times add up from left to right: each ' +
      'is counted from the start.',
    rows: rowsOf(entries, await rounds(entries, plan.runs)),
  };
}

const [FEW, MANY] = [100, 10_000];

/** Opening a store of many cases, which is what every process begins with. */
export async function openingPart(plan: Plan): Promise<Part> {
  const few = await storeOfFew();
  const stores = plan.quick ? [few] : [few, await storeOfMany(few)];
  const entries: Entry[] = stores.map(({ dir: store, cases }) => ({
    name: `${cases.length.toLocaleString('en-GB')} cases`,
    run: () => runJob({ kind: 'open', store }, 1),
  }));
  return {
    title: 'Opening a store',
    about: '`openStore` on one core, of small cases: what grows with their number. Files are in the page cache.',
    rows: rowsOf(entries, await rounds(entries, plan.runs)),
  };
}

const idOf = (number: number): string => `case_${String(number).padStart(5, '0')}`;

async function storeOfFew(): Promise<Store> {
  const dir = join(CACHE, `${FEW}-cases`);
  if (existsSync(join(dir, INDEX_FILE))) return openStore(dir);
  const shape: Triple = [8, 8, 8];
  const cases = Array.from({ length: FEW }, (_, number) => ({
    id: idOf(number),
    shape,
    image: new Float32Array(512).fill(number),
    segmentation: new Int8Array(512).fill(1, 0, 1 + number),
  }));
  return writeStore(dir, { name: 'many', channels: ['made up'], labels: { background: 0, one: 1 }, cases });
}

/** The same cases over and over, under other names: their files are links, as writing so many would take minutes. */
async function storeOfMany(few: Store): Promise<Store> {
  const dir = join(CACHE, `${MANY}-cases`);
  if (existsSync(join(dir, INDEX_FILE))) return openStore(dir);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const cases = Array.from({ length: MANY }, (_, number) => {
    const like = few.cases[number % FEW];
    const [from, to] = [caseFiles(few.dir, like.id), caseFiles(dir, idOf(number))];
    for (const file of ['data', 'segmentation', 'sidecar'] as const) linkSync(from[file], to[file]);
    return { ...like, id: idOf(number) };
  });
  const { xxh64: _, ...index } = few.index;
  writeFileSync(join(dir, INDEX_FILE), encodeIndex(await hasher(), { ...index, cases }));
  return openStore(dir);
}
