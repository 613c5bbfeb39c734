import type { StreamOption } from '../../sampling/table.ts';
import { LOADER_OPTIONS } from './table.ts';

/** They change how fast batches come and how many are kept, never a batch. */
const NOT_SHAPING: readonly string[] = [
  'workers',
  'ring',
  'cacheBytes',
  'maxMemoryBytes',
  'stallSeconds',
  'poison',
  'epochs',
  'allowModules',
] satisfies (keyof typeof LOADER_OPTIONS)[];

/**
 * The flags that shape the same stream on the command line, ready for a shell: ['--seed 7', '--patch 4,5,6']. Defaults are left out. So is
 * a list of steps, which flags name by its file.
 * @param options a loader's, as flags give them: what programs alone can say is left out
 */
export function flagWords(options: object): string[] {
  const given = options as Readonly<Record<string, unknown>>;
  return Object.entries<StreamOption>(LOADER_OPTIONS).flatMap(([name, { flag, default: standard }]) => {
    const value = given[name];
    const isSteps = name === 'augmentation' && Array.isArray(value);
    if (flag === undefined || value === undefined || isSteps || NOT_SHAPING.includes(name)) return [];
    if (value === null || value === false || JSON.stringify(value) === JSON.stringify(standard)) return [];
    const [word] = flag.split(' ');
    return [value === true ? word : `${word} ${quoted(written(value))}`];
  });
}

/** What the readers of flags make the value of: see `flag-readers.ts` and `readConfigs`. */
function written(value: unknown): string {
  if (Array.isArray(value)) return value.map(writtenEntry).join();
  if (typeof value !== 'object') return String(value);
  const entries = Object.entries(value as object);
  return entries.map(([name, number]) => `${name}=${number}`).join();
}

/** A size, a pair of a schedule, or a configuration of a mixed stream. */
function writtenEntry(entry: unknown): string {
  if (Array.isArray(entry)) return entry.join(':');
  if (typeof entry !== 'object') return String(entry);
  const { config, weight = 1 } = entry as { config: string; weight?: number };
  return `${config}:${weight}`;
}

function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
