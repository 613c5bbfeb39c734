import type { Pipeline } from '../../augmentation/pipeline.ts';
import { OptionError } from '../../common/errors.ts';
import { isAddress } from '../../common/names.ts';
import { type Checked, checkOptions, given, refuseUnknown } from '../../common/options.ts';
import { BatchPlanner } from '../../sampling/batch-planner.ts';
import { Mix, type Weight } from '../../sampling/mix.ts';
import { samplingFor } from '../../sampling/options.ts';
import type { Sampling } from '../../sampling/slot-plan.ts';
import { DECIDED_BY_EXPOSURE } from '../../sampling/table.ts';
import type { PreviousStage } from '../../store/previous-stage.ts';
import { type CaseChoice, type FoldCases, foldOf } from '../../store/splits.ts';
import { checkStore, type LoaderOptions, type Opened, type ResolvedOptions, resolveOptions } from './options.ts';
import {
  CONFIG_TABLE,
  type ConfigOptions,
  EPOCH_OPTIONS,
  LOADER_OPTIONS,
  MOST_CONFIGS,
  VALIDATION_OPTIONS,
  type ValidationOptions,
} from './table.ts';

/** Batches of an epoch. */
export interface EpochLengths extends Checked<typeof EPOCH_OPTIONS> {}

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
  fold: FoldCases | null;
  /** As they were given. */
  cases: CaseChoice | null;
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
export function samplingOf(configuration: ResolvedConfiguration, pipeline: Pipeline): Sampling {
  return under(configuration.path, () => samplingFor(configuration, pipeline));
}

/**
 * Plans a stream whose configurations stand from `first` on among those of the loader.
 * @throws OptionError for exposures that cannot be
 */
export function plannerOf(
  { configurations, mix }: ResolvedStream,
  recipes: readonly { pipeline: Pipeline }[],
  first: number,
): BatchPlanner {
  const planned = configurations.map((configuration, i) => ({
    number: first + i,
    sampling: samplingOf(configuration, recipes[first + i].pipeline),
  }));
  return new BatchPlanner(configurations[0].store, mix, planned);
}

/**
 * @param previous what `previousStage` names, opened
 * @param saved of each configuration, where a stream goes on
 * @throws OptionError and what `resolveOptions` and `foldOf` throw
 */
export async function resolveStreams(
  options: LoaderOptions,
  previous: PreviousStage | null = null,
  saved: readonly SavedConfiguration[] = [],
): Promise<ResolvedStreams> {
  checkStore(options.store);
  checkOptions(LOADER_OPTIONS, options, { besides: ['store'] });
  const { configs, fold: wanted, cases, validation: asked = false, epochs = {}, allowModules: _, localCache, ...base } = options;
  if (cases !== undefined) refuseUnknown(cases, ['training', 'validation'], 'cases.');
  if (localCache === undefined && isAddress(base.store.dir))
    throw new OptionError(
      'localCache',
      `the store is at ${base.store.dir}, and no folder is given that its cases are copied to`,
      "Give one on a local disk and what it may take: { dir: '/local/cache', bytes: 200e9 }, on the command line --local-cache /local/cache:200GB",
    );
  const fold = await foldOf(base.store, wanted, cases);
  const opened = { previous, cases: casesOf(fold, 'training') };
  const training = configs === undefined ? [configuration(base, {}, opened, 0)] : mixedConfigurations(base, configs, opened);
  for (const [i, entry] of training.entries()) entry.config = saved[i]?.config ?? entry.config;
  const [common] = training;
  const mix = new Mix(training.map(({ weight }) => weight));
  const validation = asked === false ? null : checkOptions(VALIDATION_OPTIONS, asked === true ? {} : asked, { path: 'validation.' });
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
          ...given(saved[i]?.validation ?? {}),
          ...given(validation),
        }),
      ),
      mix,
      ring: validation.ring ?? null,
    },
    fold,
    cases: cases ?? null,
    mixed: configs !== undefined,
    epochs: checkOptions(EPOCH_OPTIONS, epochs, { path: 'epochs.' }),
  };
}

/** Fold 'all' draws as a loader without a fold does. */
function casesOf(fold: FoldCases | null, part: 'training' | 'validation'): number[] | null {
  return fold === null || fold.fold === 'all' ? null : fold[part];
}

function configuration(
  base: LoaderOptions,
  { weight = 1, ...entry }: ConfigOptions,
  opened: Opened,
  stream: number,
  path = '',
): ResolvedConfiguration {
  const options = { ...base, ...given(entry) };
  const resolved = under(path, () => resolveOptions(options, opened));
  const planned = options.patchSize === undefined ? resolved.store.index.configuration : null;
  return { ...resolved, config: options.config ?? planned ?? resolved.patchSize.join('x'), weight, stream, path };
}

function mixedConfigurations(base: LoaderOptions, configs: readonly ConfigOptions[], opened: Opened): ResolvedConfiguration[] {
  for (const name of ['config', 'patchSize', 'batchSize'] as const) {
    if (base[name] !== undefined)
      throw new OptionError(
        name,
        'it is given beside `configs`, where each has its own',
        `Move \`${name}\` into the entries of \`configs\``,
      );
  }
  return configs.map((entry, i) => {
    const path = `configs[${i}].`;
    checkOptions(CONFIG_TABLE, entry, { path, owner: 'a configuration of a mixed stream' });
    return configuration(base, entry, opened, i, path);
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
  // Targets that validation has of its own decide there in the place of what training is told.
  const decided = exposure ? Object.fromEntries(DECIDED_BY_EXPOSURE.map((name) => [name, undefined])) : {};
  const options = { ...entry, ...decided, ...given({ exposure }), augmentation: steps, regions: regions !== null, weight };
  return { ...configuration({ ...base, ...decided }, options, { previous, cases }, MOST_CONFIGS + stream, 'validation.'), config };
}
