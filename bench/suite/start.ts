import { join } from 'node:path';
import type { Part, Row } from '../report/result.ts';
import { CONFIGURATIONS, hippocampusStore, optionsOf } from './configurations.ts';
import { FEW, type Many, manyCases } from './many-cases.ts';
import type { Plan } from './plan.ts';
import { type Entry, rounds, rowsOf } from './rounds.ts';
import { runJob, runScript } from './run-job.ts';

const SCRIPT = join(import.meta.dirname, 'first-batch.mjs');

/** From nothing to the first batch of the hippocampus cases. */
export async function startPart(plan: Plan): Promise<Part> {
  const { dir: store } = await hippocampusStore();
  const entries: Entry[] = [1, 2].map((workers) => ({
    name: `hippocampus, ${workers} worker${workers > 1 ? 's' : ''}`,
    run: () => runScript(SCRIPT, { store, options: optionsOf(CONFIGURATIONS.hippocampus3d, 1, workers) }, 2),
  }));
  return {
    title: 'Time to the first batch',
    about:
      'From the start of the process, on two cores; files are in the page cache. Times add up from left to right: each ' +
      'is counted from the start.',
    rows: rowsOf(entries, await rounds(entries, plan.runs)),
  };
}

/** Opening a store of many cases, which is what every process begins with. */
export async function openingPart(plan: Plan): Promise<Part> {
  const counts = plan.quick ? [FEW] : [FEW, 10_000];
  return {
    title: 'Opening a store',
    about: '`openStore` on one core, of small cases: what grows with their number. Files are in the page cache.',
    rows: await openingRows(plan, await manyCases(counts.map((cases) => ({ cases, classes: 1 })))),
  };
}

export async function openingRows(plan: Plan, stores: readonly Many[]): Promise<Row[]> {
  const entries: Entry[] = stores.map(({ name, dir: store }) => ({ name, run: () => runJob({ kind: 'open', store }, 1) }));
  return rowsOf(entries, await rounds(entries, plan.runs));
}
