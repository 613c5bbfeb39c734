import { parseArgs } from 'node:util';
import type { PadMode } from '../dataset/pad.ts';
import { openStore } from '../dataset/store.ts';
import type { LoaderOptions } from '../options.ts';

/** One command of the command line. */
export interface Command {
  usage: string;
  run(words: string[]): Promise<void>;
}

/** The command line itself is wrong: the usage is printed with the message. */
export class UsageError extends Error {}

export type Values = Record<string, string | boolean | undefined>;

/** Splits a command line into `count` positional arguments and options. @throws UsageError */
export function parse(
  words: string[],
  positionals: readonly string[],
  options: Record<string, 'string' | 'boolean'>,
): { given: string[]; values: Values } {
  try {
    const parsed = parseArgs({
      args: words,
      allowPositionals: true,
      options: Object.fromEntries(Object.entries(options).map(([name, type]) => [name, { type }])),
    });
    if (parsed.positionals.length !== positionals.length) {
      throw new UsageError(
        positionals.length === 0
          ? `nothing is expected besides options, not "${parsed.positionals[0]}"`
          : `${positionals.join(' and ')} must be given, and nothing else besides options`,
      );
    }
    return { given: parsed.positionals, values: parsed.values as Values };
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** Splits a command line into one or more positional arguments and options. @throws UsageError */
export function parseList(
  words: string[],
  positional: string,
  options: Record<string, 'string' | 'boolean'>,
): { given: string[]; values: Values } {
  const known = Object.fromEntries(Object.entries(options).map(([name, type]) => [name, { type }]));
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({ args: words, allowPositionals: true, options: known });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (parsed.positionals.length === 0) throw new UsageError(`${positional} must be given, once or more`);
  return { given: parsed.positionals, values: parsed.values as Values };
}

export function text(values: Values, name: string): string | undefined {
  return values[name] as string | undefined;
}

/** Without the options that were not given, so that defaults apply. */
export function given<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as typeof options;
}

/** A number, or undefined if the option was not given. What it may be is checked where it is used. */
export function number(values: Values, name: string): number | undefined {
  const given = text(values, name);
  if (given === undefined) return undefined;
  const value = given.trim() === '' ? Number.NaN : Number(given);
  if (Number.isNaN(value)) throw new UsageError(`--${name} ${given} is not a number`);
  return value;
}

/** A whole number of at least 1. */
export function positive(values: Values, name: string, fallback: number): number {
  const value = number(values, name) ?? fallback;
  if (!Number.isInteger(value) || value < 1) throw new UsageError(`--${name} must be a whole number above 0, not ${value}`);
  return value;
}

/** A number of GiB as whole bytes. */
export function gigabytes(values: Values, name: string): number | undefined {
  const value = number(values, name);
  return value === undefined ? undefined : Math.floor(value * 1024 ** 3);
}

/** The options that every command with a loader takes. */
export const LOADER_ARGUMENTS = {
  config: 'string',
  patch: 'string',
  batch: 'string',
  seed: 'string',
  workers: 'string',
  oversample: 'string',
  probabilistic: 'boolean',
  'pad-mode': 'string',
  ring: 'string',
  'cache-gb': 'string',
  'max-memory-gb': 'string',
} as const;

export const LOADER_USAGE = `  --config NAME       patch and batch size as planned for 3d_fullres, 2d …; default: what the store was written for
  --patch Z,Y,X       another patch size in voxels (Y,X for 2D patches)
  --batch N           another number of samples a batch
  --seed N            names the stream; default 0
  --workers N         worker threads; default: one per core
  --oversample F      part of each batch that is forced to hold foreground; default 0.33;
                      auto: what preprocessing found that the data need
  --probabilistic     decide forced samples at random, not by position in the batch
  --pad-mode MODE     what stands outside a volume in images: constant (0), edge or reflect; default constant
  --ring N            batches in memory; default: enough to keep all workers busy
  --cache-gb N        keep cases in memory, up to this; 0 reads files only; default 1
  --max-memory-gb N   refuse to take more; default: half of the machine's memory`;

/** Opens the store and reads the loader's options. */
export async function loaderOptions(storeDir: string, values: Values): Promise<LoaderOptions> {
  const store = await openStore(storeDir);
  const patch = text(values, 'patch');
  const optional = {
    config: text(values, 'config'),
    patchSize: patch === undefined ? undefined : sizes('patch', patch),
    batchSize: number(values, 'batch'),
    seed: number(values, 'seed'),
    workers: number(values, 'workers'),
    oversample: text(values, 'oversample') === 'auto' ? ('auto' as const) : number(values, 'oversample'),
    probabilisticOversampling: values.probabilistic as boolean | undefined,
    padMode: text(values, 'pad-mode') as PadMode | undefined,
    ring: number(values, 'ring'),
    cacheBytes: gigabytes(values, 'cache-gb'),
    maxMemoryBytes: gigabytes(values, 'max-memory-gb'),
  };
  return { store, ...given(optional) };
}

function sizes(name: string, list: string): number[] {
  const values = list.split(/[,x]/).map((part) => (/^\d+$/.test(part.trim()) ? Number(part) : Number.NaN));
  if (values.some(Number.isNaN)) throw new UsageError(`--${name} ${list} is not a list of sizes such as 40,56,40`);
  return values;
}
