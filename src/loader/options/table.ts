import { readNumber } from '../../common/flag-readers.ts';
import { type Given, isPlainObject } from '../../common/options.ts';
import { flag, that, wholeNumber } from '../../common/schemas.ts';
import type { Weight } from '../../sampling/mix.ts';
import type { Exposure, StreamOption } from '../../sampling/table.ts';
import type { CaseChoice } from '../../store/splits.ts';
import { CONFIGURATION_OPTIONS, pipeline, ringLength } from './configuration-table.ts';
import { readConfigs } from './flags.ts';
import { isLocalCache, type LocalCache, readLocalCache } from './local-cache.ts';

/** Configurations of one stream; validation's random numbers follow those of as many. */
export const MOST_CONFIGS = 64;

/** What one configuration of a mixed stream has besides the options of the loader that it may differ in. */
export const CONFIG_OPTIONS = {
  /** Batches of this configuration in every round, or that from which batch on: [[0, 3], [1000, 1]]. Default 1. */
  weight: {
    schema: that<Weight>(
      'a weight',
      (value) => typeof value === 'number' || Array.isArray(value),
      'Give a number of batches, or [batch, weight] pairs',
    ),
    default: 1,
    help: 'batches of this configuration in every round, or that from which batch on',
  },
} as const satisfies Record<string, StreamOption>;

type Names<T, F> = { [K in keyof T]: T[K] extends F ? K : never }[keyof T];

/** What configurations of one stream may differ in. */
export type ConfigName = Names<typeof CONFIGURATION_OPTIONS, { perConfiguration: true }>;
/** What decides the bytes of a stream. */
export type ShapingName = Names<typeof CONFIGURATION_OPTIONS, { shapes: true }>;

const namesWith = (field: 'shapes' | 'perConfiguration'): string[] =>
  Object.entries<StreamOption>(CONFIGURATION_OPTIONS).flatMap(([name, option]) => (option[field] ? [name] : []));
export const CONFIG_NAMES = namesWith('perConfiguration') as ConfigName[];
export const SHAPING_NAMES = namesWith('shapes') as ShapingName[];

/** All of them. */
export const CONFIG_TABLE: Readonly<Record<string, StreamOption>> = {
  ...Object.fromEntries(CONFIG_NAMES.map((name) => [name, CONFIGURATION_OPTIONS[name]])),
  ...CONFIG_OPTIONS,
};

/** One configuration of a mixed stream. What it leaves out is as the loader's own options say. */
export interface ConfigOptions extends Pick<Given<typeof CONFIGURATION_OPTIONS>, ConfigName>, Given<typeof CONFIG_OPTIONS> {}

export const VALIDATION_OPTIONS = {
  /** Default: 'validation', or 'none' where training has that. */
  augmentation: { schema: pipeline, otherwise: 'validation, or none where training has that', help: 'what is done to validation patches' },
  /** Target exposures of its own; null: none. Default: as for training, of the validation cases. */
  exposure: {
    schema: that<Exposure | null>(
      'a part of patches for each class',
      (value) => value === null || isPlainObject(value),
      'Give { tumour: 0.4 }, or null',
    ),
    otherwise: 'as for training, of the validation cases',
    help: 'target exposures of its own; null: none',
  },
  /** Its batches in shared memory at once. Default: enough to keep all workers busy while somebody waits. */
  ring: {
    schema: ringLength,
    otherwise: 'enough to keep all workers busy while somebody waits',
    help: 'its batches in shared memory at once',
  },
} as const satisfies Record<string, StreamOption>;

/** The validation stream: the training configurations without augmentation, on other cases, with random numbers of its own. */
export interface ValidationOptions extends Given<typeof VALIDATION_OPTIONS> {}

const length = wholeNumber(1, 2 ** 31);

/** nnU-Net's batches an epoch. */
export const EPOCH_OPTIONS = {
  training: { schema: length, default: 250, help: 'training batches an epoch' },
  validation: { schema: length, default: 50, help: 'validation batches an epoch' },
} as const satisfies Record<string, StreamOption>;

/**
 * What a loader may be asked for, besides its `store`: every option once. What its types, its refusals, its saved state, the command
 * line and the reference page say of an option, they have from here; what an option comes to on a store is in `options.ts`.
 */
export const LOADER_OPTIONS = {
  ...CONFIGURATION_OPTIONS,
  /** Mix batches of several configurations in one stream, in place of `config`, `patchSize` and `batchSize`. */
  configs: {
    schema: that<readonly ConfigOptions[]>(
      'a list of configurations',
      (value) => Array.isArray(value) && value.length > 0 && value.length <= MOST_CONFIGS && value.every(isPlainObject),
      `Give 1 to ${MOST_CONFIGS}, as [{ config: '3d_fullres', weight: 3 }, { config: '2d', weight: 1 }]`,
    ),
    otherwise: 'one configuration',
    flag: '--configs A:3,B:1',
    read: readConfigs,
    typed: `a list of 1 to ${MOST_CONFIGS} configurations with whole weights, such as 3d_fullres:3,2d:1`,
    help: 'mix configurations in one stream: so many batches of each in every round',
  },
  /** Train on the cases of a fold of the store's splits_final.json, or on all as nnU-Net's fold 'all' does. Default: all. */
  fold: {
    schema: that<number | 'all'>(
      "a fold from 0 on, or 'all'",
      (value) => value === 'all' || (Number.isSafeInteger(value) && (value as number) >= 0),
      "Give its number in splits_final.json, from 0, or 'all'",
    ),
    otherwise: 'all cases',
    flag: '--fold N',
    read: readNumber,
    help: 'only the training cases of a fold of splits_final.json, from 0; or all',
  },
  /**
   * In place of `fold`: the ids of the cases to train on, and of those to validate on. For splits that have no number in the store's file.
   * A saved state does not have them: give them again.
   */
  cases: {
    schema: that<CaseChoice>('a choice of cases', isPlainObject, "Give { training: ['case_1', …], validation: ['case_2', …] }"),
    otherwise: 'those of `fold`',
    help: 'the ids of the cases to train on, and of those to validate on, in place of `fold`',
  },
  /** Also stream the validation cases of `fold` or `cases`, see `PatchLoader.validation`. Default false. */
  validation: {
    schema: that<boolean | ValidationOptions>(
      'true, false or options',
      (value) => typeof value === 'boolean' || isPlainObject(value),
      'Set it to true, or to { augmentation, exposure, ring }',
    ),
    default: false,
    flag: '--validation',
    help: 'the validation batches of that fold instead',
  },
  /** How many batches make an epoch of each stream. Default: nnU-Net's 250 and 50. They change no batch. */
  epochs: {
    schema: that<{ training?: number; validation?: number }>('lengths of epochs', isPlainObject, 'Give { training: 250, validation: 50 }'),
    otherwise: '250 batches of training and 50 of validation, as in nnU-Net',
    help: 'how many batches make an epoch of each stream',
  },
  /**
   * Copy each case to a folder on a local disk when it is needed first, and read it there: for stores on slow disks, file servers, and
   * addresses, which need it. Copies of one folder, of any store and process of this machine, take at most so many bytes together; those
   * used least recently leave. They change the speed, never the stream. Default: stores are read where they lie.
   */
  localCache: {
    schema: that<LocalCache>('a folder and a size', isLocalCache, "Give { dir: '/local/cache', bytes: 200e9 }"),
    otherwise: 'the store is read where it lies',
    flag: '--local-cache DIR:SIZE',
    read: readLocalCache,
    typed: 'a folder and a size, such as /local/cache:200GB',
    help: 'copy each case to this folder when it is needed first, and read it there; copies take at most so much, those used least recently leave',
  },
  /**
   * Import the modules of custom transforms that a state or checkpoint names, which runs their code. Default false: they are refused unless
   * the options name them, too.
   */
  allowModules: {
    schema: flag(),
    default: false,
    flag: '--allow-modules',
    help: 'run the modules of custom transforms that a saved state or checkpoint names',
  },
} as const satisfies Record<string, StreamOption>;
