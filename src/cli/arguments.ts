import { parseArgs } from 'node:util';
import type { PadMode } from '../dataset/pad.ts';
import { openStore, type Store } from '../dataset/store.ts';
import { voxels } from '../geometry.ts';
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

export function text(values: Values, name: string): string | undefined {
  return values[name] as string | undefined;
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
function gigabytes(values: Values, name: string): number | undefined {
  const value = number(values, name);
  return value === undefined ? undefined : Math.floor(value * 1024 ** 3);
}

/** The options that every command with a loader takes. */
export const LOADER_ARGUMENTS = {
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

export const LOADER_USAGE = `  --patch Z,Y,X       patch size in voxels (Y,X for 2D patches); default: the median volume, 128 per axis at most
  --batch N           samples a batch; default: about as many voxels as two patches of 128x128x128, 9 samples at most
  --seed N            names the stream; default 0
  --workers N         worker threads; default: one per core
  --oversample F      part of each batch that is forced to hold foreground; default 0.33
  --probabilistic     decide forced samples at random, not by position in the batch
  --pad-mode MODE     what stands outside a volume in images: constant (0), edge or reflect; default constant
  --ring N            batches in memory; default: enough to keep all workers busy
  --cache-gb N        keep cases in memory, up to this; 0 reads files only; default 1
  --max-memory-gb N   refuse to take more; default: half of the machine's memory`;

/** Opens the store and reads the loader's options. */
export async function loaderOptions(storeDir: string, values: Values): Promise<LoaderOptions> {
  const store = await openStore(storeDir);
  const patchSize = text(values, 'patch') === undefined ? defaultPatch(store) : sizes('patch', text(values, 'patch') as string);
  const optional = {
    seed: number(values, 'seed'),
    workers: number(values, 'workers'),
    oversample: number(values, 'oversample'),
    probabilisticOversampling: values.probabilistic as boolean | undefined,
    padMode: text(values, 'pad-mode') as PadMode | undefined,
    ring: number(values, 'ring'),
    cacheBytes: gigabytes(values, 'cache-gb'),
    maxMemoryBytes: gigabytes(values, 'max-memory-gb'),
  };
  const chosen = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined));
  return { store, patchSize, batchSize: number(values, 'batch') ?? defaultBatch(patchSize), ...chosen };
}

function sizes(name: string, list: string): number[] {
  const values = list.split(/[,x]/).map((part) => (/^\d+$/.test(part.trim()) ? Number(part) : Number.NaN));
  if (values.some(Number.isNaN)) throw new UsageError(`--${name} ${list} is not a list of sizes such as 40,56,40`);
  return values;
}

/** Until plans say better: the median volume, in steps of 8 that four halvings of a network can divide, no axis above 128. */
export function defaultPatch(store: Store): number[] {
  return [0, 1, 2].map((axis) => {
    const sorted = store.cases.map(({ shape }) => shape[axis]).sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)];
    return median < 8 ? median : Math.min(128, Math.ceil(median / 8) * 8);
  });
}

function defaultBatch(patchSize: readonly number[]): number {
  return Math.min(9, Math.max(2, Math.floor((2 * 128 ** 3) / voxels(patchSize))));
}
