import type { Part } from '../report/result.ts';
import { CONFIGURATIONS, optionsOf, storeOf } from './configurations.ts';
import { batchesOf, fewerRuns, type Plan } from './plan.ts';
import { type Entry, rounds, rowsOf } from './rounds.ts';
import { runJob } from './run-job.ts';

const CONFIGS = ['b', 'c', 'd', 'e'];

/** What the time of a patch goes into, as `loader.metrics().stages` has it. */
export async function stagesPart(plan: Plan): Promise<Part> {
  const entries: Entry[] = [];
  for (const config of plan.quick ? ['d'] : CONFIGS) {
    const configuration = CONFIGURATIONS[config];
    const { dir: store } = await storeOf(configuration, plan);
    const batches = batchesOf(plan, configuration.batches);
    const job = { kind: 'stages' as const, store, options: optionsOf(configuration, 1), batches, warmUp: Math.ceil(batches / 2) };
    // The main thread has a core of its own, so that what a worker waits for it is no time of a stage.
    entries.push({ name: `${config}: ${configuration.about}`, run: () => runJob(job, 2) });
  }
  return {
    title: 'Time by stage',
    about:
      'Milliseconds a patch that one worker spends, cases in memory; planning and dispatching are the main thread, which has a core of its own. ' +
      'Stages that take a few microseconds spread the most.',
    rows: rowsOf(entries, await rounds(entries, fewerRuns(plan))),
  };
}
