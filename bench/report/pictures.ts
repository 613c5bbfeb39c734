import { barChart, lineChart, shareChart } from './charts.ts';
import type { Part, Result, Row } from './result.ts';
import { type Figure, figure } from './statistics.ts';
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

function stagesPicture({ rows }: Part): string {
  // Small stages spread much: what counts is whether their sum is reliable.
  const reliable = rows.filter(({ figures }) => {
    const stages = Object.values(figures);
    return figure(stages[0].runs.map((_, run) => stages.reduce((sum, { runs }) => sum + runs[run], 0))).reliable;
  });
  return shareChart({
    title: 'Where the time of a patch goes',
    rows: reliable.map(({ name, figures }) => ({
      name,
      parts: Object.entries(figures)
        .filter(([, { median }]) => median > 0)
        .map(([key, { median }]) => ({ name: QUANTITIES[key], value: median })),
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
