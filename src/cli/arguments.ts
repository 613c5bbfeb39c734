import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { PRESETS, type PresetName } from '../augmentation/presets.ts';
import { fileError } from '../common/errors.ts';
import type { ConfigOptions, LoaderOptions } from '../loader/options/options.ts';
import type { PadMode } from '../reading/pad.ts';
import { openStore } from '../store/store.ts';
import { SAMPLING_ARGUMENTS, SAMPLING_USAGE, samplingChoices } from './sampling-arguments.ts';
import { number, text, UsageError, type Values } from './values.ts';

export { number, text, UsageError, type Values } from './values.ts';

/** One command of the command line. */
export interface Command {
  usage: string;
  run(words: string[]): Promise<void>;
}

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

/** Without the options that were not given, so that defaults apply. */
export function given<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as typeof options;
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
  configs: 'string',
  fold: 'string',
  validation: 'boolean',
  patch: 'string',
  batch: 'string',
  seed: 'string',
  workers: 'string',
  ...SAMPLING_ARGUMENTS,
  'previous-stage': 'string',
  'pad-mode': 'string',
  augmentation: 'string',
  'nnunet-compat': 'boolean',
  'deep-supervision': 'boolean',
  ring: 'string',
  'cache-gb': 'string',
  'max-memory-gb': 'string',
} as const;

export const LOADER_USAGE = `  --config NAME       patch and batch size as planned for 3d_fullres, 2d …; default: what the store was written for
  --configs A:3,B:1   mix configurations in one stream: so many batches of each in every round
  --fold N            only the training cases of a fold of splits_final.json, from 0; or all
  --validation        the validation batches of that fold instead
  --patch Z,Y,X       another patch size in voxels (Y,X for 2D patches)
  --batch N           another number of samples a batch
  --seed N            names the stream; default 0
  --workers N         worker threads; default: one per core
${SAMPLING_USAGE}
  --previous-stage DIR  a cascade's previous segmentations, CASE.npy or CASE.nii.gz on the grid of the store
  --pad-mode MODE     what stands outside a volume in images: constant (0), edge or reflect; default constant
  --augmentation A    what is done to patches: ${PRESETS.slice(0, 3).join(', ')} (nnU-Net's), noMirroring, da5 …;
                      or a .json file with a list of steps; default none
  --nnunet-compat     decide labels bit for bit as nnU-Net does; slow
  --deep-supervision  coarser targets, too, as the planned network wants them
  --ring N            batches in memory; default: enough to keep all workers busy
  --cache-gb N        keep cases in memory, up to this; 0 reads files only; default 1
  --max-memory-gb N   refuse to take more; default: half of the machine's memory`;

/** Opens the store and reads the loader's options. */
export async function loaderOptions(storeDir: string, values: Values): Promise<LoaderOptions> {
  const patch = text(values, 'patch');
  const optional = {
    config: text(values, 'config'),
    configs: configs(text(values, 'configs')),
    fold: text(values, 'fold') === 'all' ? ('all' as const) : number(values, 'fold'),
    validation: values.validation as boolean | undefined,
    patchSize: patch === undefined ? undefined : sizes('patch', patch),
    batchSize: number(values, 'batch'),
    seed: number(values, 'seed'),
    workers: number(values, 'workers'),
    ...samplingChoices(values),
    previousStage: text(values, 'previous-stage'),
    padMode: text(values, 'pad-mode') as PadMode | undefined,
    augmentation: await augmentation(text(values, 'augmentation')),
    nnunetCompat: values['nnunet-compat'] as boolean | undefined,
    deepSupervision: values['deep-supervision'] as boolean | undefined,
    ring: number(values, 'ring'),
    cacheBytes: gigabytes(values, 'cache-gb'),
    maxMemoryBytes: gigabytes(values, 'max-memory-gb'),
  };
  return { store: await openStore(storeDir), ...given(optional) };
}

/** "3d_fullres:3,2d" as the loader takes it. */
function configs(list: string | undefined): ConfigOptions[] | undefined {
  return list?.split(',').map((entry) => {
    const [config, weight = '1', ...rest] = entry.trim().split(':');
    if (config === '' || rest.length > 0 || !/^\d+$/.test(weight))
      throw new UsageError(`--configs ${list} is not a list of configurations such as 3d_fullres:3,2d:1`);
    return { config, weight: Number(weight) };
  });
}

/** A preset's name, or the steps that a file lists. What they may be is checked where they are used. @throws FileError, UsageError */
async function augmentation(given: string | undefined): Promise<LoaderOptions['augmentation']> {
  if (!given?.endsWith('.json')) return given as PresetName | undefined;
  try {
    return JSON.parse(await readFile(given, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) throw new UsageError(`--augmentation ${given} is not JSON: ${error.message}`);
    throw fileError(given, error);
  }
}

function sizes(name: string, list: string): number[] {
  const values = list.split(/[,x]/).map((part) => (/^\d+$/.test(part.trim()) ? Number(part) : Number.NaN));
  if (values.some(Number.isNaN)) throw new UsageError(`--${name} ${list} is not a list of sizes such as 40,56,40`);
  return values;
}
