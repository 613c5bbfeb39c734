import type { PatchRecipe } from '../augmentation/patch-maker.ts';
import { PROGRESS } from '../common/progress.ts';
import { openCasesPerWorker } from '../scheduling/descriptors.ts';
import type { Dispatcher } from '../scheduling/dispatcher.ts';
import type { PatchTask, PatchWorkerData } from '../scheduling/patch-task.ts';
import { WorkerPool } from '../scheduling/worker-pool.ts';
import type { Tally } from '../scheduling/worker-tuner.ts';
import type { Ring } from '../shared-memory/ring.ts';
import type { Allocation } from './allocation.ts';
import { arraysOf } from './memory-plan.ts';
import type { StreamMetrics } from './metrics.ts';
import type { ResolvedStreams } from './options/streams.ts';

/** The pool of a loader: with everything that its threads need to know, and a look at whether they get on. */
export function startWorkers(
  { common }: ResolvedStreams,
  recipes: PatchRecipe[],
  { memory, layout }: Pick<Allocation, 'memory' | 'layout'>,
  ring: Ring,
  module: string,
  copies: boolean,
): WorkerPool {
  const { workers, autoWorkers, previous, stallSeconds } = common;
  const arrays = arraysOf(common);
  const workerData: PatchWorkerData = {
    memory,
    layout,
    arrays,
    recipes,
    // A copy that leaves the local cache takes its room until it is closed.
    openCases: arrays.format === 'npz' || copies ? 1 : openCasesPerWorker(workers, previous ? 3 : 2),
  };
  const beats = ({ scratch }: PatchTask): number => Atomics.load(ring.progress(scratch), PROGRESS.beats);
  return new WorkerPool(module, autoWorkers ? 1 : workers, workerData, { stallSeconds, beats }, workers);
}

/** What tells whether there are enough workers: of all streams together. */
export function tallyOf(streams: readonly { metrics(): StreamMetrics }[], dispatcher: Dispatcher): Tally {
  return () => {
    const metrics = streams.map((stream) => stream.metrics());
    const sum = (name: 'waitMs' | 'patches'): number => metrics.reduce((total, of) => total + of[name], 0);
    return { waitMs: sum('waitMs'), handedOut: sum('patches'), made: dispatcher.made, busyMs: dispatcher.busyMs };
  };
}
