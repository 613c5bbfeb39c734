import type { Part } from '../report/result.ts';
import { CONFIGURATIONS, optionsOf, storeOf } from './configurations.ts';
import { batchesOf, fewerRuns, type Plan } from './plan.ts';
import { type Entry, rounds, rowsOf } from './rounds.ts';
import { runJob } from './run-job.ts';

/** What a sample takes, so that workers that sleep ask for as much as real ones do. */
const SAMPLE_MS: Record<string, number> = { b: 10, d: 0.5 };
const WORKERS = [1, 4, 16];

/** One line: so many workers that sleep in the place of making samples of a configuration, of that store. */
export function mainThreadEntry(name: string, config: string, store: string, workers: number, plan: Plan): Entry {
  const batches = batchesOf(plan, config === 'b' ? 40 * workers : 200 * Math.sqrt(workers));
  // No cases in memory: nothing is read.
  const options = { ...optionsOf(CONFIGURATIONS[config], 1, workers), cacheBytes: 0 };
  const job = { kind: 'main-thread' as const, store, options, batches: Math.ceil(batches), warmUp: Math.ceil(batches / 2) };
  return { name, run: () => runJob({ ...job, sampleMs: SAMPLE_MS[config] }, 2) };
}

/** What the thread of the consumer spends on a stream: planning, handing out, collecting. */
export async function mainThreadPart(plan: Plan): Promise<Part> {
  const entries: Entry[] = [];
  for (const config of plan.quick ? ['d'] : Object.keys(SAMPLE_MS)) {
    const { dir: store } = await storeOf(CONFIGURATIONS[config], plan);
    for (const workers of WORKERS)
      entries.push(mainThreadEntry(`${config}, ${workers} simulated worker${workers > 1 ? 's' : ''}`, config, store, workers, plan));
  }
  const rows = rowsOf(entries, await rounds(entries, fewerRuns(plan)));
  return {
    title: 'The main thread',
    about:
      `Workers that sleep ${Object.entries(SAMPLE_MS)
        .map(([config, ms]) => `${ms} ms (${config})`)
        .join(' or ')} a sample in the place of making it, so that ` +
      'many of them run beside one main thread on two cores. Its CPU time a batch, and the part of the time that its event loop is busy.',
    rows,
  };
}
