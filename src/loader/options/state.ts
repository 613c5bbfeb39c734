import { completeSteps } from '../../augmentation/steps.ts';
import type { Step } from '../../augmentation/transform.ts';
import { StateError } from '../../common/errors.ts';
import type { Weight } from '../../sampling/mix.ts';
import { DECIDED_BY_EXPOSURE, type StreamOption } from '../../sampling/table.ts';
import { SPLITS_FILE } from '../../store/file-names.ts';
import type { CaseChoice } from '../../store/splits.ts';
import type { Store } from '../../store/store.ts';
import { storeConfiguration } from '../../store/store-configuration.ts';
import { CONFIGURATION_OPTIONS } from './configuration-table.ts';
import type { LoaderOptions, ResolvedOptions } from './options.ts';
import { checkFields } from './state-fields.ts';
import type { EpochLengths, ResolvedConfiguration, ResolvedStreams, SavedConfiguration } from './streams.ts';
import { CONFIG_NAMES, type ConfigName, SHAPING_NAMES } from './table.ts';

/** What decides the bytes of a stream. Of a previous stage its labels are kept, not where they lie. */
const SHAPING = [...SHAPING_NAMES, 'previousHash'] as const;

type Shaping = Pick<ResolvedOptions, (typeof SHAPING)[number]>;

/** Of that, what all configurations of a stream have in common. */
const COMMON = SHAPING.filter((name) => !CONFIG_NAMES.includes(name as ConfigName)) as Common[];
type Common = Exclude<keyof Shaping, ConfigName>;

/** One configuration of a mixed stream. */
export interface ConfigState extends Omit<Shaping, Common> {
  /** What its batches are tagged with. */
  config: string;
  weight: Weight;
}

/** Where each stream goes on: the batch that comes next, counted from 0. */
export interface Positions {
  training: number;
  validation: number;
}

/**
 * Where a loader stands: plain JSON, about a kilobyte, valid on any machine that has the same store. What shapes the stream is
 * at the top, of a mixed stream that of its first configuration.
 */
export interface LoaderState extends Shaping {
  format: 'voxfeed-state';
  version: 1;
  /** The batch that comes next, counted from 0. */
  nextBatch: number;
  /** Of the store's contents, see `Store.hash`. */
  storeHash: string;
  /** What batches are tagged with. */
  config: string;
  /** The epoch that it belongs to, for people to read. */
  epoch: number;
  epochs: EpochLengths;
  /** All configurations of a mixed stream. */
  configs?: ConfigState[];
  fold?: number | 'all';
  cases?: CaseChoice;
  /** Of the cases that `fold` or `cases` choose. */
  foldHash?: string;
  /** The validation stream, if there is one. */
  validation?: { nextBatch: number; augmentation: Shaping['augmentation'][]; exposure: Shaping['exposure'][] };
}

/** To continue: everything that shapes the stream comes from the state, and may be left out. */
export interface ResumeOptions extends Partial<LoaderOptions> {
  store: Store;
  state: LoaderState;
}

export function saveState(streams: ResolvedStreams, next: Positions): LoaderState {
  const { common, training, validation, fold, cases, mixed, epochs } = streams;
  return structuredClone({
    format: 'voxfeed-state',
    version: 1,
    nextBatch: next.training,
    storeHash: common.store.hash,
    config: training.configurations[0].config,
    ...shaping(common),
    epoch: epochOf(next, epochs, validation !== null),
    epochs,
    ...(mixed && { configs: training.configurations.map(configState) }),
    ...(cases && { cases }),
    ...(fold && { ...(fold.fold !== null && { fold: fold.fold }), foldHash: fold.hash }),
    ...(validation && {
      validation: {
        nextBatch: next.validation,
        augmentation: validation.configurations.map(({ augmentation }) => augmentation),
        exposure: validation.configurations.map(({ exposure }) => exposure),
      },
    }),
  });
}

/** The first epoch of which any stream has batches left. */
export function epochOf(next: Positions, epochs: EpochLengths, validated: boolean): number {
  const trained = Math.floor(next.training / epochs.training);
  return validated ? Math.min(trained, Math.floor(next.validation / epochs.validation)) : trained;
}

function shaping(options: Shaping): Shaping {
  return Object.fromEntries(SHAPING.map((name) => [name, options[name]])) as unknown as Shaping;
}

function configState(options: ResolvedConfiguration): ConfigState {
  return { config: options.config, weight: options.weight, ...without(shaping(options), COMMON) };
}

interface AppliedState {
  options: LoaderOptions;
  next: Positions;
  saved: SavedConfiguration[];
}

/**
 * Completes options from a state: what shapes the stream comes from there, unless it is given again.
 * @throws StateError if the two contradict each other, OptionError if it is no state
 */
export function applyState(options: LoaderOptions | ResumeOptions): AppliedState {
  if (!('state' in options) || options.state === undefined)
    return { options: options as LoaderOptions, next: { training: 0, validation: 0 }, saved: [] };
  const { state, ...given } = options;
  checkFields(state);
  const next = { training: state.nextBatch, validation: state.validation?.nextBatch ?? 0 };
  if (given.store?.hash !== state.storeHash) {
    throw new StateError(
      'state',
      'it belongs to another store, or the store was written anew since',
      'Open the store it was saved with; a changed store gives another stream',
    );
  }
  // Advice is taken once, when the stream begins.
  if (given.oversample === 'auto') delete given.oversample;
  const asked = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as typeof given;
  if (asked.fold !== undefined && asked.fold !== state.fold) refuse('fold', state.fold, asked.fold);
  const streams = {
    ...(state.epochs && { epochs: state.epochs }),
    ...(state.fold !== undefined && { fold: state.fold }),
    ...(state.cases !== undefined && { cases: state.cases }),
    ...(state.validation && { validation: true }),
  };
  const { seed, worldSize } = complete(state);
  const names = Object.keys(given.store.plans?.configurations ?? {});
  const completed = state.configs ? mixed(state.configs, names, { seed, worldSize, ...asked }) : single(state, names, asked);
  const saved = (state.configs ?? [state]).map(({ config }, i) => ({
    config,
    validation: { augmentation: state.validation?.augmentation[i], exposure: state.validation?.exposure?.[i] },
  })) as SavedConfiguration[];
  return { options: { ...streams, ...completed } as LoaderOptions, next, saved };
}

/** @param planned the names of the plans' configurations */
function single(state: LoaderState, planned: string[], { config, ...given }: Partial<LoaderOptions>): Partial<LoaderOptions> {
  if (given.configs !== undefined) refuse('configs', undefined, given.configs);
  const before = plannedOf(state, planned);
  if (config !== undefined && before.config !== undefined && config !== before.config) refuse('config', before.config, config);
  if (config !== undefined) {
    const { patchSize, batchSize } = storeConfiguration(given.store as Store, config);
    given.patchSize ??= patchSize;
    given.batchSize ??= batchSize;
  }
  const saved = shaping(complete(state));
  // What these mean depends on the patch and the data set, which must be the same to begin with.
  const { augmentation, deepSupervision, regions, caseWeights, classWeights, exposure, ...plain } = given;
  compare(saved, plain);
  const named = config === undefined ? before : { config };
  return { ...asOptions(without(saved, ['previousHash'])), ...named, ...given } as Partial<LoaderOptions>;
}

/** The configuration that a stream was made from, where the plans know it: a batch's tag may also be a patch size. */
function plannedOf({ config }: { config: string }, planned: readonly string[]): { config?: string } {
  return planned.includes(config) ? { config } : {};
}

/** What is saved of a configuration, as it can be asked for. */
function asOptions(saved: Omit<Shaping, Common>): Partial<LoaderOptions> {
  const options = saved.exposure === null ? saved : without(saved, DECIDED_BY_EXPOSURE);
  return { ...options, regions: saved.regions !== null } as unknown as Partial<LoaderOptions>;
}

/** The saved configurations; what is asked of all of them must be what they have. */
function mixed(configs: ConfigState[], planned: readonly string[], given: Partial<LoaderOptions>): Partial<LoaderOptions> {
  const common = Object.fromEntries(CONFIG_NAMES.filter((name) => given[name] !== undefined).map((name) => [name, given[name]]));
  return {
    ...given,
    configs:
      given.configs ?? configs.map(({ config, ...entry }) => ({ ...plannedOf({ config }, planned), ...asOptions(entry), ...common })),
  } as Partial<LoaderOptions>;
}

/** @throws StateError if options that were given again, once they are resolved, are not those of the state. */
export function checkState({ common, training, validation, fold, mixed }: ResolvedStreams, given: LoaderOptions | ResumeOptions): void {
  if (!('state' in given) || given.state === undefined) return;
  const { state } = given;
  const saved = complete(state);
  if (saved.previousHash !== common.previousHash)
    throw new StateError(
      'state',
      `it was saved ${saved.previousHash === null ? 'without a previous stage' : `with ${common.previousHash === null ? 'a' : 'another'} previous stage`}`,
      'Give the same `previousStage` as then',
    );
  compare(saved, mixed ? { seed: common.seed, worldSize: common.worldSize } : shaping(common));
  if (mixed) {
    const [before, asked] = [state.configs ?? [], training.configurations];
    if (before.length !== asked.length) refuse('configs', before.length, asked.length);
    for (const [i, entry] of asked.entries()) {
      const path = `configs[${i}].`;
      if (JSON.stringify(before[i].weight) !== JSON.stringify(entry.weight)) refuse(`${path}weight`, before[i].weight, entry.weight);
      compare(complete(before[i]), without(shaping(entry), COMMON), path);
    }
  }
  if (state.foldHash !== fold?.hash && state.fold === undefined)
    throw new StateError(
      'state',
      state.foldHash === undefined ? 'it was saved without `cases`' : 'it was saved with other `cases`',
      state.foldHash === undefined || state.cases !== undefined
        ? 'Leave `cases` out to continue, or leave `state` out to begin anew'
        : 'Give the same `cases` as then, or leave `state` out to begin anew',
    );
  if (state.foldHash !== fold?.hash)
    throw new StateError(
      'state',
      `fold ${fold?.fold} had other cases when it was saved`,
      `Restore ${SPLITS_FILE} of the store, or leave \`state\` out to begin anew`,
    );
  if (!validation || !state.validation) return;
  for (const name of ['augmentation', 'exposure'] as const) {
    const asked = validation.configurations.map((entry) => entry[name]);
    const before = state.validation[name] ?? asked;
    if (before.length !== asked.length || asked.some((value, i) => !same(name, before[i], value)))
      refuse(`validation.${name}`, before, asked);
  }
}

/** @throws StateError for the first that differs. */
function compare(saved: Partial<Shaping>, asked: Partial<Record<keyof Shaping, unknown>>, path = ''): void {
  for (const name of SHAPING) {
    if (asked[name] !== undefined && !same(name, saved[name], asked[name])) refuse(path + name, saved[name], asked[name]);
  }
}

/** Whether two values of an option make the same stream: of two pipelines one may say what the other leaves to the defaults. */
function same(name: keyof Shaping, saved: unknown, asked: unknown): boolean {
  const plain = (value: unknown): string | undefined =>
    JSON.stringify(name === 'augmentation' ? completeSteps(value as readonly Step[]) : value);
  return plain(saved) === plain(asked);
}

function refuse(name: string, saved: unknown, asked: unknown): never {
  const show = (value: unknown): string => JSON.stringify(value) ?? 'nothing';
  throw new StateError(
    'state',
    `it was saved with ${name} ${show(saved)}, the options say ${show(asked)}`,
    `Leave \`${name}\` out to continue, or leave \`state\` out to begin anew`,
  );
}

function without<T extends object, K extends keyof T>(options: T, names: readonly K[]): Omit<T, K> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !names.includes(name as K))) as Omit<T, K>;
}

/** Older states say nothing of options that came later. */
function complete<T extends Omit<Shaping, Common>>(state: T): T & Pick<Shaping, 'worldSize' | 'previousHash'> {
  return {
    ...Object.fromEntries(SHAPING_NAMES.map((name) => [name, (CONFIGURATION_OPTIONS[name] as StreamOption).default ?? null])),
    worldSize: 1,
    previousHash: null,
    ...state,
    augmentation: state.augmentation ?? [],
    deepSupervision: state.deepSupervision ?? [state.patchSize.map(() => 1)],
    regions: state.regions ?? null,
  };
}
