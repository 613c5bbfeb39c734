import type { Store } from './dataset/store.ts';
import { OptionError, StateError } from './errors.ts';
import type { LoaderOptions, ResolvedOptions } from './options.ts';
import { storeConfiguration } from './planning/store-configuration.ts';
import { SAMPLING_DEFAULTS, SAMPLING_SHAPING } from './sampling/options.ts';

/** The options that decide the bytes of a stream, and the store they were used on. */
const SHAPING = [
  'patchSize',
  'batchSize',
  'seed',
  ...SAMPLING_SHAPING,
  'padMode',
  'augmentation',
  'deepSupervision',
  'regions',
  'previousHash',
] as const;

type Shaping = Pick<ResolvedOptions, (typeof SHAPING)[number]>;

/** Where a loader stands: plain JSON, a few hundred bytes, valid on any machine that has the same store. */
export interface LoaderState extends Shaping {
  format: 'voxfeed-state';
  version: 1;
  /** The batch that comes next, counted from 0. */
  nextBatch: number;
  storeHash: string;
}

/** To continue: everything that shapes the stream comes from the state, and may be left out. */
export interface ResumeOptions extends Partial<LoaderOptions> {
  store: Store;
  state: LoaderState;
}

export function saveState(options: ResolvedOptions, nextBatch: number): LoaderState {
  return { format: 'voxfeed-state', version: 1, nextBatch, storeHash: options.store.hash, ...structuredClone(shaping(options)) };
}

function shaping(options: Shaping): Shaping {
  return Object.fromEntries(SHAPING.map((name) => [name, options[name]])) as unknown as Shaping;
}

/**
 * Completes options from a state: what shapes the stream comes from there, unless it is given again.
 * @throws StateError if the two contradict each other, OptionError if it is no state
 */
export function applyState(options: LoaderOptions | ResumeOptions): { options: LoaderOptions; nextBatch: number } {
  if (!('state' in options) || options.state === undefined) return { options: options as LoaderOptions, nextBatch: 0 };
  const { state, config, ...given } = options;
  if (
    state?.format !== 'voxfeed-state' ||
    state.version !== 1 ||
    !Number.isSafeInteger(state.nextBatch * state.batchSize) ||
    state.nextBatch < 0
  ) {
    throw new OptionError('state', 'it is not the state of a loader', 'Pass what `loader.state()` returned, as an object');
  }
  if (given.store?.hash !== state.storeHash) {
    throw new StateError(
      'state',
      'it belongs to another store, or the store was written anew since',
      'Open the store it was saved with; a changed store gives another stream',
    );
  }
  if (config !== undefined) {
    const planned = storeConfiguration(given.store, config);
    given.patchSize ??= planned.patchSize;
    given.batchSize ??= planned.batchSize;
  }
  // Advice is taken once, when the stream begins.
  if (given.oversample === 'auto') delete given.oversample;
  const { regions, previousHash: _hash, ...saved } = shaping(complete(state));
  const asked = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  // What these mean depends on the patch and the data set, which must be the same to begin with.
  const { augmentation, deepSupervision, regions: _, caseWeights, classWeights, exposure, ...plain } = asked;
  compare(shaping(complete(state)), plain);
  return { options: { ...saved, regions: regions !== null, ...asked } as unknown as LoaderOptions, nextBatch: state.nextBatch };
}

/** @throws StateError if options that were given again, once they are resolved, are not those of the state. */
export function checkState(options: ResolvedOptions, given: LoaderOptions | ResumeOptions): void {
  if (!('state' in given) || given.state === undefined) return;
  const saved = shaping(complete(given.state));
  if (saved.previousHash !== options.previousHash)
    throw new StateError(
      'state',
      `it was saved ${saved.previousHash === null ? 'without a previous stage' : `with ${options.previousHash === null ? 'a' : 'another'} previous stage`}`,
      'Give the same `previousStage` as then',
    );
  compare(saved, shaping(options));
}

/** @throws StateError for the first that differs. */
function compare(saved: Shaping, asked: Partial<Record<keyof Shaping, unknown>>): void {
  for (const name of SHAPING) {
    if (asked[name] === undefined || JSON.stringify(asked[name]) === JSON.stringify(saved[name])) continue;
    throw new StateError(
      'state',
      `it was saved with ${name} ${JSON.stringify(saved[name])}, the options say ${JSON.stringify(asked[name])}`,
      `Leave \`${name}\` out to continue, or leave \`state\` out to begin anew`,
    );
  }
}

/** Older states say nothing of options that came later. */
function complete(state: LoaderState): LoaderState {
  return {
    ...SAMPLING_DEFAULTS,
    ...state,
    augmentation: state.augmentation ?? [],
    deepSupervision: state.deepSupervision ?? [state.patchSize.map(() => 1)],
    regions: state.regions ?? null,
    previousHash: state.previousHash ?? null,
  };
}
