import { showBytes } from '../common/bytes.ts';
import type { Decision } from '../planning/experiment.ts';
import type { PlanReport } from '../preprocessing/plan-dataset.ts';
import { foregroundOf } from '../raw/labels.ts';

/** What a line of the table is called, and its cell for a configuration. */
type Row = [title: string, cell: (decision: Decision) => string];

/** Plans as a person reads them: one column a configuration, then why. */
export function showPlan({ dataset, plans, gpuMemoryGb, decisions, oversampling, fingerprint }: PlanReport): string {
  const { transpose_forward: forward } = plans;
  const order = forward.every((axis, i) => axis === i)
    ? 'axes z, y, x'
    : `axes ${forward.map((axis) => 'zyx'[axis]).join(', ')} (the coarsest first)`;
  const head = [
    `${dataset.folder}: ${count(dataset.cases.length, 'case')}, ${count(dataset.channels.length, 'channel')} (${dataset.channels.join(', ')}), ${count(foregroundOf(dataset.labels.classes).length, 'class', 'classes')}`,
    `${plans.experiment_planner_used} for ${gpuMemoryGb} GB${gpuMemoryGb === 8 ? ', a card of 10' : ''}; ${order}`,
    `median volume ${by(plans.original_median_shape_after_transp)}, spacing ${by(plans.original_median_spacing_after_transp.map(short))} mm, ${short(100 * fingerprint.median_relative_size_after_cropping)} % of it inside the nonzero region`,
  ];
  const adviceFor = (name: string) =>
    (oversampling.find(({ configuration }) => configuration === name) as PlanReport['oversampling'][number]).advice;
  const measured: Row[] = [
    ['random patches see', ({ name }) => percent(adviceFor(name).any)],
    ['advice: --oversample', ({ name }) => String(adviceFor(name).recommended)],
  ];
  // Where parts were put together, nobody has measured it yet.
  const advised = oversampling.length > 0;
  const rows: Row[] = [
    ['', ({ name }) => name],
    ['patch', ({ patch }) => by(patch)],
    ['batch', ({ batch }) => String(batch)],
    ['spacing (mm)', ({ spacing }) => by(spacing.map(short))],
    ['median volume', ({ median }) => by(median)],
    ['stages', ({ network }) => String(network.features.length)],
    ['network size', ({ size, reasons }) => `${millions(size)} of ${millions(reasons.allowedSize)}`],
    ['GPU memory, float32', ({ memory }) => showBytes(memory.float32.total)],
    ['GPU memory, mixed', ({ memory }) => showBytes(memory.mixed.total)],
    ['of that, weights', ({ memory: { mixed } }) => showBytes(mixed.weights + mixed.gradients + mixed.momentum)],
    ['of that, activations', ({ memory: { mixed } }) => showBytes(mixed.activations + mixed.transient)],
    ...(advised ? measured : []),
  ];
  const cells = rows.map(([title, cell]) => [title, ...decisions.map(cell)]);
  const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  const table = cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('   ')
      .trimEnd(),
  );
  const cascade = '3d_cascade_fullres' in plans.configurations ? ['3d_cascade_fullres: as 3d_fullres, after 3d_lowres'] : [];
  const why = decisions.flatMap((decision) => [
    '',
    `${decision.name}:`,
    ...reasons(decision).map((line) => `  ${line}`),
    ...(advised ? [`  oversampling: ${adviceFor(decision.name).reason}`] : []),
  ]);
  return `${[...head, '', ...table, ...cascade, ...why].join('\n')}\n`;
}

/** Why a patch and a batch are as large as they are: one line a step. */
function reasons({ patch, batch, reasons, size }: Decision): string[] {
  const { fromSpacing, withinMedian, divisible, reductions, allowedSize, batchByMemory, batchByDataset } = reasons;
  const lines = [`patch ${by(fromSpacing)} from the spacing`];
  if (withinMedian.join() !== fromSpacing.join()) lines.push(`${by(withinMedian)}: no larger than the median volume`);
  if (divisible.join() !== withinMedian.join()) lines.push(`${by(divisible)}: what the network can halve`);
  for (const { axis, from, to, size: before, sizeAfter } of reductions)
    lines.push(
      `axis ${axis} from ${from} to ${to}: the network was too large, ${millions(before)}, now ${millions(sizeAfter)} of ${millions(allowedSize)}`,
    );
  if (reductions.length > 0) lines.push(`${by(patch)} it is`);
  const limit = batchByMemory <= batchByDataset ? 'memory' : 'the size of the data set';
  const lowest = batch > Math.min(batchByMemory, batchByDataset) ? ', and 2 is the least' : '';
  lines.push(
    `batch ${batch}: memory allows ${batchByMemory} at ${millions(size)}, the size of the data set ${batchByDataset}; ${limit} decides${lowest}`,
  );
  return lines;
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

function by(sizes: readonly (number | string)[]): string {
  return sizes.join('x');
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function millions(value: number): string {
  return `${(value / 1e6).toFixed(1)}M`;
}

function percent(part: number): string {
  return `${(100 * part).toFixed(1)} %`;
}
