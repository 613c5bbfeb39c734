import { availableParallelism } from 'node:os';
import { type Part, type Row, rowOf } from '../report/result.ts';
import type { Figure } from '../report/statistics.ts';
import { CONFIGURATIONS, optionsOf, storeOf } from './configurations.ts';
import { fewerRuns, type Plan } from './plan.ts';
import { type Entry, rounds, rowsOf } from './rounds.ts';
import { runJob } from './run-job.ts';

/** Milliseconds that a training step of 128x128x128, batch 2, takes there. */
export const CONSUMERS: Record<string, number> = { A100: 131, H100: 70, H200: 60 };
/** A consumer that waits less of its time than this is not held up. */
export const MOST_WAITING_PERCENT = 1;
/** How much faster each consumer is than the one before it, in the search for the fastest one that does not wait. */
const STEP = 1.08;
/** The first one of the search, as a multiple of the CPU time of a batch over the cores. */
const SLOWEST = 1.25;
const MOST_STEPS = 20;
const QUICK_STEPS = 1;

/** Measures one consumer: its waiting in percent, and CPU time a batch. */
export type Consume = (consumerMs: number, cores: number, batches: number) => Promise<Record<string, number>>;

/** Whether a simulated trainer waits, for those there are, and how fast one may be. */
export async function consumptionPart(plan: Plan): Promise<Part> {
  const configuration = CONFIGURATIONS.b;
  const { dir: store } = await storeOf(configuration, plan);
  const ours: Consume = (consumerMs, cores, batches) =>
    runJob({ kind: 'consumer', store, options: optionsOf(configuration, 1, cores), batches, consumerMs }, cores);
  return {
    title: 'Consumers',
    about: CONSUMPTION_ABOUT,
    rows: await consumerRows('voxfeed', ours, plan),
  };
}

export const CONSUMPTION_ABOUT =
  'A consumer of 128x128x128, batch 2, that sleeps as long as a training step takes, with as many workers as cores. Below ' +
  `${MOST_WAITING_PERCENT} % waiting it is not held up. The fastest one that is not is searched in steps of ${Math.round(100 * (STEP - 1))} %. Numbers of ` +
  'cores are measured up to those of the machine, and counted on from the fastest consumer above that, as if cores added up.';

/** Rows for one loader: the fastest consumer it feeds, and how many cores each GPU wants. */
export async function consumerRows(name: string, consume: Consume, plan: Plan): Promise<Row[]> {
  const counts = (plan.quick ? [1] : [1, 2]).filter((cores) => cores <= availableParallelism());
  const [seconds, steps] = plan.quick ? [0.3, QUICK_STEPS] : [1.5, MOST_STEPS];
  const during = (ms: number, cores: number) => consume(ms, cores, Math.ceil((1000 * seconds) / ms));
  const { cpu_ms_per_batch: cpuMs } = await during(CONSUMERS.A100, 1);
  const searches: Entry[] = counts.map((cores) => ({
    name: `${name}, ${cores} core${cores > 1 ? 's' : ''}`,
    run: async () => ({ fastest_consumer_ms: await fastest((ms) => during(ms, cores), (SLOWEST * cpuMs) / cores, steps) }),
  }));
  const searched = rowsOf(searches, await rounds(searches, fewerRuns(plan)));
  const rows = [...searched];
  for (const [gpu, ms] of Object.entries(CONSUMERS).slice(0, plan.quick ? 1 : undefined))
    rows.push(await coresRow(`${name}, ${gpu} (${ms} ms)`, ms, searched, during, plan));
  return rows;
}

/** The smallest number of cores that is enough for a consumer. */
async function coresRow(
  name: string,
  ms: number,
  searched: Row[],
  during: (ms: number, cores: number) => ReturnType<Consume>,
  plan: Plan,
): Promise<Row> {
  for (const [i, { figures }] of searched.entries()) {
    // Where it is clear that it waits, nothing is to be measured.
    if (figures.fastest_consumer_ms.median > 1.5 * ms) continue;
    const cores = i + 1;
    const runs: Record<string, number>[] = [];
    for (let run = 0; run < fewerRuns(plan); run++) runs.push(await during(ms, cores));
    const { wait_percent, cpu_ms_per_batch } = rowOf(name, runs).figures;
    if (wait_percent.median < MOST_WAITING_PERCENT)
      return { name, figures: { cpu_ms_per_batch }, notes: `${cores} core${cores > 1 ? 's' : ''}, measured: ${waits(wait_percent)}` };
  }
  const most = searched.length;
  const cores = Math.max(most + 1, Math.ceil((most * searched[most - 1].figures.fastest_consumer_ms.median) / ms));
  return { name, figures: {}, notes: `${cores} cores, counted on from ${most}` };
}

/** A part near 0 has no spread to speak of: it is told as it is. */
const waits = ({ low, high }: Figure): string => `waits ${low.toFixed(2)} to ${high.toFixed(2)} %`;

/** The fastest consumer in a row of ever faster ones that does not wait; where the first one waits, slower ones are tried. */
async function fastest(consume: (ms: number) => Promise<Record<string, number>>, first: number, most: number): Promise<number> {
  const isFed = async (ms: number): Promise<boolean> => (await consume(ms)).wait_percent < MOST_WAITING_PERCENT;
  let ms = first;
  let step = 0;
  if (await isFed(ms)) {
    while (step++ < most && (await isFed(ms / STEP))) ms /= STEP;
    return ms;
  }
  do ms *= STEP;
  while (step++ < most && !(await isFed(ms)));
  return ms;
}
