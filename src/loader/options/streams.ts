import type { Pipeline } from '../../augmentation/pipeline.ts';
import { OptionError } from '../../common/errors.ts';
import { Mix, type Weight } from '../../sampling/mix.ts';
import { samplingFor } from '../../sampling/options.ts';
import type { SamplingOptions } from '../../sampling/slot-plan.ts';
import type { PreviousStage } from '../../store/previous-stage.ts';
import { type Fold, foldOf } from '../../store/splits.ts';
import {
  CONFIG_OPTIONS,
  type ConfigOptions,
  checkStore,
  type LoaderOptions,
  type Opened,
  type ResolvedOptions,
  resolveOptions,
  type ValidationOptions,
  wholeNumber,
} from './options.ts';

/** nnU-Net's batches an epoch. */
const EPOCHS: EpochLengths = { training: 250, validation: 50 };
/** Configurations of one stream; validation's random numbers follow those of as many. */
const MOST_CONFIGS = 64;

/** Batches of an epoch. */
export interface EpochLengths {
  training: number;
  validation: number;
}

/** One configuration of a stream. */
export interface ResolvedConfiguration extends ResolvedOptions {
  /** Its name: as the plans call it, or its patch size where that was given alone. */
  config: string;
  weight: Weight;
  /** Which random numbers are its own: see `streamSeed`. */
  stream: number;
  /** What stands before the names of its options in errors, such as "configs[1].". */
  path: string;
}

export interface ResolvedStream {
  configurations: ResolvedConfiguration[];
  mix: Mix;
  ring: number | null;
}

/** A loader's options, nothing left open. */
export interface ResolvedStreams {
  /** What configurations have in common: store, seed, workers, memory. */
  common: ResolvedOptions;
  training: ResolvedStream;
  validation: ResolvedStream | null;
  fold: Fold | null;
  /** Whether `configs` were given, even if it was only one. */
  mixed: boolean;
  epochs: EpochLengths;
}

/** What a state knows of a configuration and options cannot say. */
export interface SavedConfiguration {
  /** Its name. */
  config?: string;
  /** What its validation patches get. */
  validation?: Pick<ValidationOptions, 'augmentation' | 'exposure'>;
}

/** Every configuration of a loader, those of training first: the order of `Layout.configurations`. */
export function allConfigurations({ training, validation }: ResolvedStreams): ResolvedConfiguration[] {
  return [...training.configurations, ...(validation?.configurations ?? [])];
}

/** How a configuration is sampled. @throws OptionError for exposures that cannot be */
export function samplingOf(configuration: ResolvedConfiguration, pipeline: Pipeline): SamplingOptions {
  return under(configuration.path, () => samplingFor(configuration, pipeline));
}

/**
 * @param previous what `previousStage` names, opened
 * @param saved of each configuration, where a stream goes on
 * @throws OptionError and what `resolveOptions` and `readFold` throw
 */
export async function resolveStreams(
  options: LoaderOptions,
  previous: PreviousStage | null = null,
  saved: readonly SavedConfiguration[] = [],
): Promise<ResolvedStreams> {
  const { configs, fold: wanted, cases, validation: given, epochs, ...base } = options;
  checkStore(base.store);
  const fold = await foldOf(base.store, wanted, cases);
  const opened = { previous, cases: casesOf(fold, 'training') };
  const training = configs === undefined ? [configuration(base, {}, opened, 0)] : mixedConfigurations(base, configs, opened);
  for (const [i, entry] of training.entries()) entry.config = saved[i]?.config ?? entry.config;
  const [common] = training;
  const mix = new Mix(training.map(({ weight }) => weight));
  const validation = validationOptions(given);
  if (validation !== null && fold === null)
    throw new OptionError('validation', 'no fold says which cases are for validation', "Give `fold`, from 0, or 'all', or `cases`");
  if (validation !== null && fold?.validation.length === 0)
    throw new OptionError(
      'cases.validation',
      'it names no case, and a validation stream is asked for',
      'Name some, or leave `validation` out',
    );
  return {
    common,
    training: { configurations: training, mix, ring: common.ring },
    validation: validation && {
      configurations: training.map((entry, i) =>
        validationConfiguration(base, configs?.[i] ?? {}, entry, casesOf(fold, 'validation'), {
          ...withoutUndefined(saved[i]?.validation ?? {}),
          ...withoutUndefined(validation),
        }),
      ),
      mix,
      ring: validation.ring === undefined ? null : wholeNumber('validation.ring', validation.ring, 1, 2 ** 16),
    },
    fold,
    mixed: configs !== undefined,
    epochs: epochLengths(epochs),
  };
}

/** Fold 'all' draws as a loader without a fold does. */
function casesOf(fold: Fold | null, part: 'training' | 'validation'): number[] | null {
  return fold === null || fold.fold === 'all' ? null : fold[part];
}

function configuration(
  base: LoaderOptions,
  { weight = 1, ...entry }: ConfigOptions,
  opened: Opened,
  stream: number,
  path = '',
): ResolvedConfiguration {
  const options = { ...base, ...withoutUndefined(entry) };
  const resolved = under(path, () => resolveOptions(options, opened));
  const planned = options.patchSize === undefined ? resolved.store.index.configuration : null;
  return { ...resolved, config: options.config ?? planned ?? resolved.patchSize.join('x'), weight, stream, path };
}

function mixedConfigurations(base: LoaderOptions, configs: readonly ConfigOptions[], opened: Opened): ResolvedConfiguration[] {
  if (
    !Array.isArray(configs) ||
    configs.length === 0 ||
    configs.length > MOST_CONFIGS ||
    configs.some((entry) => typeof entry !== 'object' || entry === null)
  )
    throw new OptionError(
      'configs',
      `${JSON.stringify(configs)} is no list of configurations`,
      `Give 1 to ${MOST_CONFIGS}, as [{ config: '3d_fullres', weight: 3 }, { config: '2d', weight: 1 }]`,
    );
  for (const name of ['config', 'patchSize', 'batchSize'] as const) {
    if (base[name] !== undefined)
      throw new OptionError(
        name,
        'it is given beside `configs`, where each has its own',
        `Move \`${name}\` into the entries of \`configs\``,
      );
  }
  const known: readonly string[] = [...CONFIG_OPTIONS, 'weight'];
  return configs.map((entry, i) => {
    const path = `configs[${i}]`;
    const unknown = Object.keys(entry).find((name) => !known.includes(name));
    if (unknown !== undefined)
      throw new OptionError(`${path}.${unknown}`, 'configurations have no such option of their own', `Theirs are ${known.join(', ')}`);
    return configuration(base, entry, opened, i, `${path}.`);
  });
}

/** Errors say which configuration it is, where the option alone would not. */
function under<T>(path: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (path === '' || !(error instanceof OptionError)) throw error;
    throw new OptionError(path + error.where, error.what, error.action, { cause: error });
  }
}

/** As for training, but for what is done to patches. What targets mean must be the same in both. */
function validationConfiguration(
  base: LoaderOptions,
  entry: ConfigOptions,
  { config, augmentation, regions, weight, stream, previous }: ResolvedConfiguration,
  cases: readonly number[] | null,
  validation: ValidationOptions,
): ResolvedConfiguration {
  // A cascade's patches as they are stored have the previous stage's channels.
  const stored = augmentation.every(({ transform }) => transform === 'oneHot');
  const { augmentation: steps = stored ? 'none' : 'validation', exposure } = validation;
  const options = { ...entry, ...withoutUndefined({ exposure }), augmentation: steps, regions: regions !== null, weight };
  return { ...configuration(base, options, { previous, cases }, MOST_CONFIGS + stream, 'validation.'), config };
}

function validationOptions(given: LoaderOptions['validation'] = false): ValidationOptions | null {
  if (typeof given === 'boolean') return given ? {} : null;
  if (typeof given !== 'object' || given === null)
    throw new OptionError(
      'validation',
      `${JSON.stringify(given)} is neither true, false nor options`,
      'Set it to true, or to { augmentation, exposure, ring }',
    );
  refuseUnknown('validation', given, ['augmentation', 'exposure', 'ring']);
  return given;
}

function epochLengths(given: LoaderOptions['epochs'] = {}): EpochLengths {
  if (typeof given !== 'object' || given === null)
    throw new OptionError('epochs', `${JSON.stringify(given)} are no lengths`, 'Give { training: 250, validation: 50 }');
  refuseUnknown('epochs', given, ['training', 'validation']);
  const { training, validation } = { ...EPOCHS, ...withoutUndefined(given) };
  return {
    training: wholeNumber('epochs.training', training, 1, 2 ** 31),
    validation: wholeNumber('epochs.validation', validation, 1, 2 ** 31),
  };
}

function refuseUnknown(path: string, given: object, known: readonly string[]): void {
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new OptionError(`${path}.${unknown}`, 'there is no such option', `Its options are ${known.join(', ')}`);
}

function withoutUndefined<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}
