import { barChart, lineChart, shareChart } from './charts.ts';
import type { Part, Result, Row } from './result.ts';
import { type Figure, ratio } from './statistics.ts';
import { QUANTITIES } from './table.ts';

/** What may be claimed. */
const claim = (one: Figure | undefined): number | null => (one?.reliable ? one.median : null);

/** Pictures of a result, by the names of their files. */
export function pictures({ name, parts }: Result): Record<string, string> {
  if (name === 'peers') return { 'bench-peers.svg': peersPicture(parts) };
  if (name !== 'bench') return {};
  const { workers, stages } = parts;
  return { ...(workers && { 'bench-workers.svg': workersPicture(workers) }), ...(stages && { 'bench-stages.svg': stagesPicture(stages) }) };
}

function workersPicture({ rows }: Part): string {
  const workersOf = ({ name }: Row): number => Number(/\d+(?= worker)/.exec(name)?.[0]);
  // As many as the loader takes by itself is no number.
  const numbered = rows.filter((row) => !Number.isNaN(workersOf(row)));
  const byConfig = Map.groupBy(numbered, ({ name }) => name.split(',')[0]);
  return lineChart({
    title: 'Throughput over workers, one core each',
    x: 'workers',
    y: 'times one worker',
    ideal: true,
    lines: [...byConfig].map(([name, own]) => ({ name, points: own.map((row) => ({ x: workersOf(row), y: claim(row.figures.speedup) })) })),
  });
}

/** Stages of a smaller part spread much, and are narrow. */
const LARGE_SHARE = 0.1;

function stagesPicture({ rows }: Part): string {
  // Run by run, parts of the sum: a slow spell of the machine makes all stages longer, and changes parts little.
  const shares = rows.map(({ name, figures }) => {
    const stages = Object.entries(figures);
    const sums = stages[0][1].runs.map((_, run) => stages.reduce((sum, [, { runs }]) => sum + runs[run], 0));
    return { name, parts: stages.map(([key, { runs }]) => ({ name: QUANTITIES[key] ?? key, share: ratio(runs, sums) })) };
  });
  const reliable = shares.filter(({ parts }) => parts.every(({ share }) => share.reliable || share.median < LARGE_SHARE));
  return shareChart({
    title: 'Where the time of a patch goes',
    rows: reliable.map(({ name, parts }) => ({
      name,
      parts: parts.filter(({ share }) => share.median > 0).map(({ name, share }) => ({ name, value: share.median })),
    })),
  });
}

function peersPicture(parts: Result['parts']): string {
  return barChart({
    title: 'voxfeed beside other loaders',
    about: 'Patches a second of CPU time, all processes together. Longer is better; each group has a scale of its own.',
    groups: Object.entries(parts)
      .filter(([name]) => name !== 'consumers')
      .map(([, { title, rows }]) => ({
        name: title,
        bars: rows.map(({ name, figures: { cpu_ms_per_patch: cpu } }) => ({ name, value: cpu?.reliable ? 1000 / cpu.median : null })),
      })),
  });
}
