import { showMachine } from './machine.ts';
import type { Part, Result } from './result.ts';
import { MOST_SPREAD, showFigure } from './statistics.ts';

/** What keys of figures mean, as a heading. */
export const QUANTITIES: Record<string, string> = {
  patches_per_second: 'patches a second',
  cpu_ms_per_patch: 'CPU ms a patch',
  cpu_ms_per_batch: 'CPU ms a batch',
  scheduler_cpu_ms_per_batch: 'CPU ms a batch on the main thread',
  event_loop_utilisation_percent: 'event loop busy, %',
  speedup: 'times one worker',
  beside_one_per_core: 'times one worker a core',
  peak_mib: 'peak memory, MiB',
  loader_mib: 'of it sized by the loader, MiB',
  start_ms: 'Node itself, ms',
  loaded_ms: 'modules loaded, ms',
  opened_ms: 'store open, ms',
  created_ms: 'workers up, ms',
  first_batch_ms: 'first batch, ms',
  open_ms: 'opening, ms',
  cpu_ms: 'CPU ms',
  consumer_ms: 'consumer, ms a batch',
  wait_percent: 'waiting, %',
  fastest_consumer_ms: 'fastest consumer that waits under 1 %, ms a batch',
  patches_per_second_needed: 'patches a second',
  cores_needed: 'cores',
  thread_percent: 'of a core for each main thread, %',
  ranks_gib: 'memory, GiB',
  stage_read: 'read',
  stage_decode: 'decode',
  stage_warpImage: 'warp image',
  stage_warpLabels: 'warp labels',
  stage_transforms: 'intensity',
  stage_mirror: 'mirror',
  stage_deepSupervision: 'deep supervision',
  stage_other: 'other',
  stage_plan: 'plan',
  stage_dispatch: 'dispatch',
  times: "times voxfeed's CPU time",
};

/** A part as a Markdown table, with what it is above. */
export function partTable({ title, about, rows }: Part): string {
  const keys = [...new Set(rows.flatMap(({ figures }) => Object.keys(figures)))];
  const noted = rows.some(({ notes }) => notes !== undefined);
  const head = ['', ...keys.map((key) => QUANTITIES[key] ?? key), ...(noted ? ['notes'] : [])];
  const lines = rows.map(({ name, figures, notes = '' }) => [
    name,
    ...keys.map((key) => (key in figures ? showFigure(figures[key]) : '–')),
    ...(noted ? [notes] : []),
  ]);
  return `### ${title}\n\n${about === '' ? '' : `${about}\n\n`}${markdownTable([head, ...lines])}\n`;
}

export function markdownTable([head, ...lines]: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [row(head), row(head.map(() => '---')), ...lines.map(row)].join('\n');
}

/** When, where and with which releases. */
export function showWhere({ date, environment, versions }: Result): string {
  const releases = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [`${date.slice(0, 10)}: ${showMachine(environment)}.`, ...(releases.length > 0 ? [`${releases.join(', ')}.`] : [])].join(' ');
}

/** All parts, and where they were measured. */
export function resultTables(result: Result): string {
  const rule = `Medians; a figure whose runs spread by more than ${100 * MOST_SPREAD} % of it is "not reliable", and none is claimed.`;
  const quick = result.quick ? ['**Tiny sizes: these figures say nothing but that it works.**'] : [];
  return [showWhere(result), rule, ...quick, ...Object.values(result.parts).map(partTable)].join('\n\n');
}
