import { accessSync, constants, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { load, type Machine, machine } from './machine.ts';
import { type Figure, figure } from './statistics.ts';

export const RESULTS = join(import.meta.dirname, '../results');

/** One line of a table. Keys of figures name the quantity and its unit, see `QUANTITIES`. */
export interface Row {
  name: string;
  figures: Record<string, Figure>;
  /** In words: what is not measured, but belongs to the line. */
  notes?: string;
}

/** One table. */
export interface Part {
  title: string;
  /** What was measured and how, for a reader who sees only this table. */
  about: string;
  rows: Row[];
}

/** What a command measured: a file in `bench/results`. */
export interface Result {
  /** `bench`, `peers` or `quality`. */
  name: string;
  date: string;
  /** Tiny sizes, to see that it works: no figure counts. */
  quick: boolean;
  seconds: number;
  environment: Machine;
  /** Of other programs. */
  versions: Record<string, string>;
  parts: Record<string, Part>;
}

/** Runs everything and says where and how long. */
export async function measured<T extends Pick<Result, 'parts' | 'versions'>>(
  name: string,
  quick: boolean,
  run: () => Promise<T>,
): Promise<Result & T> {
  const [environment, start] = [machine(), performance.now()];
  const date = new Date().toISOString();
  const found = await run();
  environment.load_after = load();
  return { name, date, quick, seconds: Math.round((performance.now() - start) / 1000), environment, ...found };
}

/** Runs of several quantities as figures. */
export function rowOf(name: string, runs: readonly Record<string, number>[], notes?: string): Row {
  const keys = [...new Set(runs.flatMap(Object.keys))];
  const figures = Object.fromEntries(keys.map((key) => [key, figure(runs.filter((run) => key in run).map((run) => run[key]))]));
  return { name, figures, ...(notes === undefined ? {} : { notes }) };
}

/** Before hours of measuring: whether `--json FILE` can be written. Makes its folder. @throws Error */
export function checkResultPath(path: string | undefined): void {
  if (path === undefined) return;
  try {
    mkdirSync(dirname(path), { recursive: true });
    accessSync(dirname(path), constants.W_OK);
  } catch (error) {
    throw new Error(`--json ${path}: its folder can't be written to: give another file`, { cause: error });
  }
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw new Error(`--json ${path}: is a folder: give the file's name, too`);
}

/** Where a result goes: to `path`, else to `bench/results/DATE-NAME.json`; a quick one nowhere by itself. Returns where it went. */
export function keepResult<R extends Result>(result: R, path?: string): string | null {
  const to = path ?? (result.quick ? null : join(RESULTS, `${result.date.slice(0, 10)}-${result.name}.json`));
  if (to === null) return null;
  mkdirSync(dirname(to), { recursive: true });
  // Runs of a figure in one line: half of the file would be line ends.
  const text = JSON.stringify(result, null, 2).replace(/\[[-\d.,\seE+]*\]/g, (list) => list.replace(/\s+/g, ' '));
  writeFileSync(to, `${text}\n`);
  return to;
}

/** The newest one of a name; null where there is none. Names of files begin with their date. */
export function newestResult(name: string, dir = RESULTS): Result | null {
  const files = readdirSync(dir).filter((file) => file.slice(11) === `${name}.json`);
  const newest = files.sort().at(-1);
  return newest === undefined ? null : JSON.parse(readFileSync(join(dir, newest), 'utf8'));
}
