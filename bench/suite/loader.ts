import type { Part } from '../report/result.ts';
import { CONFIGURATIONS, optionsOf, storeOf } from './configurations.ts';
import { batchesOf, type Plan } from './plan.ts';
import { type Entry, rounds, rowsOf } from './rounds.ts';
import { runJob } from './run-job.ts';

/** Patches a second and CPU time a patch of every configuration, on one core. */
export async function loaderPart(plan: Plan): Promise<Part> {
  const entries: Entry[] = [];
  for (const config of plan.configs) {
    const configuration = CONFIGURATIONS[config];
    const { dir: store } = await storeOf(configuration, plan);
    const batches = batchesOf(plan, configuration.batches);
    const job = { kind: 'stream' as const, store, options: optionsOf(configuration, 1), batches, warmUp: Math.ceil(batches / 2) };
    entries.push({ name: `${config}: ${configuration.about}`, run: () => runJob(job, 1) });
  }
  return {
    title: 'The loader on one core',
    about:
      'One worker and the main thread, bound to one core. Volumes are made up, but for the hippocampus cases, and kept in memory. b to e and ' +
      "the hippocampus have nnU-Net's default augmentation and deep supervision.",
    rows: rowsOf(entries, await rounds(entries, plan.runs)),
  };
}
