import type { Part, Row } from '../report/result.ts';
import { figure } from '../report/statistics.ts';
import { CONFIGURATIONS, optionsOf, storeOf } from './configurations.ts';
import { CONSUMERS } from './consumption.ts';
import { mainThreadEntry } from './main-thread.ts';
import { FEW, type Many, manyCases } from './many-cases.ts';
import { batchesOf, type Plan } from './plan.ts';
import { type Entry, rounds, rowsOf } from './rounds.ts';
import { runJob } from './run-job.ts';
import { openingRows } from './start.ts';

/** Past what fits this machine: many cases, many classes, many workers, and what follows for a large node. */
export async function scalingParts(plan: Plan): Promise<Record<string, Part>> {
  const stores = await manyCases(
    plan.quick
      ? [{ cases: FEW, classes: 1 }]
      : [
          { cases: FEW, classes: 1 },
          { cases: 100_000, classes: 1 },
          { cases: FEW, classes: 300 },
          { cases: 100_000, classes: 300 },
        ],
  );
  const opening = {
    title: 'Opening a store',
    about:
      '`openStore` on one core; files are in the page cache. Each case has all of the classes, with 512 stored locations in all, or 873 of each of ' +
      '300. (Which classes a case has changes nothing: how many locations there are is one number for each.)',
    rows: await openingRows(plan, stores),
  };
  const thread = await threadPart(plan, stores);
  return { opening, thread, node: await nodePart(plan) };
}

async function threadPart(plan: Plan, stores: readonly Many[]): Promise<Part> {
  const entries = stores.flatMap(({ name, dir }) =>
    (plan.quick ? [1] : [1, 16, 64]).map((workers) => mainThreadEntry(`${name}, ${workers} workers`, 'd', dir, workers, plan)),
  );
  return {
    title: 'The main thread',
    about:
      'Patches of 40x56x40, batch 9, a third of them forced. Workers sleep 0.5 ms a sample in the place of making it: so many of them run ' +
      'beside one main thread on two cores. Cases are drawn at random, and class locations are read from files in the page cache.',
    rows: rowsOf(entries, await rounds(entries, plan.runs)),
  };
}

/** Ranks of a node: each has a process of its own. */
const RANKS = 8;

/** What a node of many GPUs would take, counted on from one core of this machine. */
async function nodePart(plan: Plan): Promise<Part> {
  const configuration = CONFIGURATIONS.b;
  const { dir: store } = await storeOf(configuration, plan);
  const batches = batchesOf(plan, configuration.batches);
  const stream = { kind: 'stream' as const, store, options: optionsOf(configuration, 1, 1), batches, warmUp: Math.ceil(batches / 2) };
  const entries: Entry[] = [
    { name: 'patches', run: () => runJob(stream, 1) },
    mainThreadEntry('thread', 'b', store, plan.quick ? 1 : 16, plan),
  ];
  const runs = await rounds(entries, plan.runs);
  const all = (name: string, key: string): number[] => (runs.get(name) ?? []).map((run) => run[key]);
  const [patch, thread, memory] = [
    all('patches', 'cpu_ms_per_patch'),
    all('thread', 'scheduler_cpu_ms_per_batch'),
    all('patches', 'peak_mib'),
  ];
  const rows = Object.entries(CONSUMERS).map(([gpu, stepMs]): Row => {
    const patches = (1000 * RANKS * configuration.batch) / stepMs;
    return {
      name: `${RANKS} of ${gpu}, ${stepMs} ms a step`,
      figures: {
        patches_per_second_needed: figure(patch.map(() => patches)),
        cores_needed: figure(patch.map((ms) => (patches * ms) / 1000)),
        thread_percent: figure(thread.map((ms) => (100 * ms) / stepMs)),
        ranks_gib: figure(memory.map((mib) => (RANKS * mib) / 1024)),
      },
    };
  });
  return {
    title: `A node with ${RANKS} GPUs`,
    about:
      "128x128x128, batch 2 a rank, nnU-Net's default augmentation: patches that the GPUs take, times what one costs on this machine; the part " +
      'of a core that the main thread of each rank takes, which has a process of its own; and the memory of eight such processes. Counted, not measured.',
    rows,
  };
}
