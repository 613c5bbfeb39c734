import { performance } from 'node:perf_hooks';
import { VoxfeedError } from '../../src/common/errors.ts';

/** What came of many tries of one kind. */
export interface Row {
  what: string;
  tried: number;
  /** Done as if nothing had been wrong: it was harmless. */
  done: number;
  /** Refused with one sentence that names what is wrong. */
  refused: number;
  /** Neither: each with what it takes to see it again. */
  findings: string[];
}

/** How the campaign is run. */
export interface Campaign {
  seed: number;
  /** A folder for whatever is made. */
  dir: string;
  /** Whether there is time left for one more try. */
  goesOn: () => boolean;
  row: (what: string) => Row;
}

/** A part of the campaign that ends with its share of the time, however far it is. */
export function within(campaign: Omit<Campaign, 'goesOn'>, seconds: number): Campaign {
  const end = performance.now() + 1000 * seconds;
  return { ...campaign, goesOn: () => performance.now() < end };
}

/** What is wrong with an error that somebody is to read; null if nothing is. @param named what its sentence must name */
export function wrongWith(error: unknown, named: string): string | null {
  if (!(error instanceof VoxfeedError)) return `it is no VoxfeedError: ${error instanceof Error ? error.stack : String(error)}`;
  if (!error.message.includes(named)) return `it does not name ${named}: ${error.message}`;
  if (/undefined|\[object |NaN\b.*NaN\b.*NaN\b/.test(error.message)) return `it says nothing: ${error.message}`;
  return null;
}

export function showRows(rows: readonly Row[]): string {
  const lines = rows.map(
    ({ what, tried, done, refused, findings }) => `| ${what} | ${tried} | ${done} | ${refused} | ${findings.length} |`,
  );
  return ['| what | tried | harmless | refused in a sentence | findings |', '| --- | ---: | ---: | ---: | ---: |', ...lines].join('\n');
}
