import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Triple } from '../../src/common/geometry.ts';
import { writeStore } from '../../src/index.ts';
import { INDEX_FILE } from '../../src/store/file-names.ts';
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

const MANY = 10_000;

/** Opening a store of many cases, which is what every process begins with. */
export async function openingPart(plan: Plan): Promise<Part> {
  const counts = plan.quick ? [100] : [100, MANY];
  const entries: Entry[] = [];
  for (const count of counts) {
    const store = await storeOfMany(count);
    entries.push({ name: `${count.toLocaleString('en-GB')} cases`, run: () => runJob({ kind: 'open', store }, 1) });
  }
  return {
    title: 'Opening a store',
    about: '`openStore` on one core, of small cases: what grows with their number. Files are in the page cache.',
    rows: rowsOf(entries, await rounds(entries, plan.runs)),
  };
}

async function storeOfMany(count: number): Promise<string> {
  const dir = join(CACHE, `${count}-cases`);
  if (existsSync(join(dir, INDEX_FILE))) return dir;
  const shape: Triple = [8, 8, 8];
  const cases = (function* () {
    for (let i = 0; i < count; i++)
      yield { id: `case_${i}`, shape, image: new Float32Array(512).fill(i), segmentation: new Int8Array(512).fill(1, 0, 1 + (i % 500)) };
  })();
  await writeStore(dir, { name: 'many', channels: ['made up'], labels: { background: 0, one: 1 }, cases });
  return dir;
}
