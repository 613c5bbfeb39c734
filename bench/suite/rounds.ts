import { type Row, rowOf } from '../report/result.ts';

/** One line of a table to be measured again and again. */
export interface Entry {
  name: string;
  /** Given the number of the round, from 0 on. */
  run: (round: number) => Promise<Record<string, number>>;
  notes?: string;
}

/** What each entry measured, in its order. */
export type Runs = Map<string, Record<string, number>[]>;

/**
 * Measures all entries in turns, so that a slow spell of the machine hits all of them alike; every other round backwards, so that none
 * always comes after the same one.
 */
export async function rounds(entries: readonly Entry[], count: number): Promise<Runs> {
  const runs: Runs = new Map(entries.map(({ name }) => [name, []]));
  for (let round = 0; round < count; round++) {
    for (const { name, run } of round % 2 === 0 ? entries : entries.toReversed()) {
      process.stderr.write(`  round ${round + 1} of ${count}: ${name}\n`);
      runs.get(name)?.push(await run(round));
    }
  }
  return runs;
}

export function rowsOf(entries: readonly Entry[], runs: Runs): Row[] {
  return entries.map(({ name, notes }) => rowOf(name, runs.get(name) ?? [], notes));
}
