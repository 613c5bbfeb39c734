import { availableParallelism } from 'node:os';
import type { Part, Row } from '../report/result.ts';
import { ratio } from '../report/statistics.ts';
import { CONFIGURATIONS, optionsOf, storeOf } from './configurations.ts';
import { batchesOf, fewerRuns, type Plan } from './plan.ts';
import { type Entry, rounds, rowsOf } from './rounds.ts';
import { runJob } from './run-job.ts';

/** Those that differ in what a sample costs: 10 ms, 1 ms, half a millisecond. */
const CONFIGS = ['b', 'c', 'd'];
const MOST_WORKERS = 16;

/** 1, 2, 4, … and as many as there are cores. */
export function workerCounts(cores: number): number[] {
  const most = Math.min(cores, MOST_WORKERS);
  const doubled = Array.from({ length: Math.ceil(Math.log2(most)) }, (_, power) => 2 ** power);
  return [...doubled, most];
}

/** Throughput over the number of workers, each with a core of its own, and over as many as the loader takes by itself. */
export async function workersPart(plan: Plan): Promise<Part> {
  const counts = workerCounts(availableParallelism());
  const entries: (Entry & { alone: string; each?: string })[] = [];
  for (const config of plan.quick ? ['d'] : CONFIGS) {
    const configuration = CONFIGURATIONS[config];
    const { dir: store } = await storeOf(configuration, plan);
    const nameOf = (workers: number): string => `${config}, ${workers} worker${workers > 1 ? 's' : ''}`;
    for (const workers of counts) {
      // As long as one worker is timed, so that a run is no shorter than another.
      const batches = batchesOf(plan, configuration.batches) * workers;
      const job = {
        kind: 'stream' as const,
        store,
        options: optionsOf(configuration, 1, workers),
        batches,
        warmUp: Math.ceil(batches / 2),
      };
      entries.push({ name: nameOf(workers), alone: nameOf(1), run: () => runJob(job, workers) });
    }
    const most = counts.at(-1) as number;
    const batches = batchesOf(plan, configuration.batches) * most;
    const job = {
      kind: 'stream' as const,
      store,
      options: { ...optionsOf(configuration, 1), workers: 'auto' as const },
      batches,
      // It begins with one, and takes some seconds to find out that there is more to do.
      warmUp: 2 * batches,
    };
    entries.push({ name: `${config}, auto`, alone: nameOf(1), each: nameOf(most), run: () => runJob(job, most) });
  }
  const runs = await rounds(entries, fewerRuns(plan));
  const perSecond = (name: string): number[] => (runs.get(name) ?? []).map((run) => run.patches_per_second);
  const rows: Row[] = rowsOf(entries, runs).map(({ name, figures: { patches_per_second, cpu_ms_per_patch } }, i) => {
    const { alone, each } = entries[i];
    const figures = {
      patches_per_second,
      speedup: ratio(perSecond(name), perSecond(alone)),
      ...(each && { beside_one_per_core: ratio(perSecond(name), perSecond(each)) }),
      cpu_ms_per_patch,
    };
    return { name, figures };
  });
  return {
    title: 'Workers',
    about:
      'As many cores as workers; the main thread shares them. Speed-up: each run beside the run with one worker of the same round. ' +
      "`workers: 'auto'` has all cores, and is measured from the time on when it has found out how many it takes.",
    rows,
  };
}
