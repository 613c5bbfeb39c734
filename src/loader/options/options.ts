import { withPrevious } from '../../augmentation/cascade.ts';
import { resolveSteps } from '../../augmentation/options.ts';
import { scalesOf, targetShapes } from '../../augmentation/targets.ts';
import type { Step } from '../../augmentation/transform.ts';
import { machineMemory } from '../../common/bytes.ts';
import { OptionError } from '../../common/errors.ts';
import { patchOf, type Triple } from '../../common/geometry.ts';
import { availableCores } from '../../common/granted.ts';
import { type Checked, checkOptions, type Given, given } from '../../common/options.ts';
import type { Normalisation } from '../../plans/normalisation.ts';
import { foregroundOf } from '../../raw/labels.ts';
import { type ResolvedSampling, resolveSampling } from '../../sampling/options.ts';
import { ranksHere } from '../../sampling/ranks.ts';
import type { PreviousStage } from '../../store/previous-stage.ts';
import type { Store } from '../../store/store.ts';
import { storeConfiguration } from '../../store/store-configuration.ts';
import { CONFIGURATION_OPTIONS, ENOUGH_WORKERS, MOST_AUTO_WORKERS } from './configuration-table.ts';
import type { LOADER_OPTIONS } from './table.ts';

/** What a `PatchLoader` is made from. */
export interface LoaderOptions extends Given<typeof LOADER_OPTIONS> {
  /** An opened store; see `openStore`. */
  store: Store;
}

/** What options come to on a store, where it is not simply what was given. `null` means that the loader chooses. */
interface Decided extends ResolvedSampling {
  store: Store;
  patchSize: number[];
  /** The patch in three axes: a 2D patch has 1 along axis 0. */
  patch: Triple;
  /** Of all ranks together; `slots.count` of them are made here. */
  batchSize: number;
  /** The most there will be at once. */
  workers: number;
  /** Whether there are fewer while fewer are enough. */
  autoWorkers: boolean;
  /** What is done to patches, step by step. */
  augmentation: Step[];
  /** The scales of each target; [all 1] without deep supervision. */
  deepSupervision: number[][];
  /** The labels of each channel of the targets; null for labels as they are. */
  regions: number[][] | null;
  /** The labels of a cascade's previous stage, and their hash. */
  previous: PreviousStage | null;
  previousHash: string | null;
  ring: number | null;
  /** null: the default. */
  cacheBytes: number | null;
  maxMemoryBytes: number;
  /** Whether that was asked for: else it goes by what there is. */
  memoryGiven: boolean;
  poison: boolean;
}

/** Checked options, nothing left open: what the table makes of them, and what they come to on the store. */
export type ResolvedOptions = Omit<Checked<typeof CONFIGURATION_OPTIONS>, keyof Decided> & Decided;

type ConfigurationChoices = Checked<typeof CONFIGURATION_OPTIONS>;

/** What options name, read. */
export interface Opened {
  /** Of `previousStage`. */
  previous?: PreviousStage | null;
  /** Those of `fold` that are drawn from, as positions in the store; null for all. */
  cases?: readonly number[] | null;
}

/** @throws OptionError naming the option and what it may be */
export function resolveOptions(options: LoaderOptions, { previous = null, cases = null }: Opened = {}): ResolvedOptions {
  const { store } = options;
  checkStore(store);
  const checked = checkOptions(CONFIGURATION_OPTIONS, options, { besides: ['store'] });
  const { patchSize, batchSize } = sizes(store, checked);
  const patch = patchOf(patchSize);
  const previousLabels = previous ? store.index.labels.values.filter((label) => label > 0) : [];
  const { nnunetCompat, augmentation } = checked;
  const sampling = resolveSampling(given(checked), store, patch, batchSize, cases);
  const ranks = ranksHere(sampling.worldSize);
  return {
    ...checked,
    store,
    patchSize: [...patchSize],
    patch,
    batchSize,
    ...sampling,
    workers:
      typeof checked.workers === 'number'
        ? checked.workers
        : coresFor(checked.workers === 'auto' ? MOST_AUTO_WORKERS : ENOUGH_WORKERS, ranks),
    autoWorkers: checked.workers === 'auto',
    augmentation: withPrevious(
      resolveSteps(augmentation, { patchSize, maskedChannels: masked(store), previousLabels, nnunetCompat }),
      previous && previousLabels,
    ),
    deepSupervision: targetScales(store, checked, patchSize),
    regions: regionLabels(store, checked),
    previous,
    previousHash: previous?.hash ?? null,
    ring: checked.ring ?? null,
    cacheBytes: checked.cacheBytes ?? null,
    poison: checked.poison ?? process.env.NODE_ENV !== 'production',
    maxMemoryBytes: checked.maxMemoryBytes ?? Math.floor(machineMemory() / 2 / ranks),
    memoryGiven: checked.maxMemoryBytes !== undefined,
  };
}

/** A core each, as far as there are any for this rank. */
function coresFor(most: number, ranks: number): number {
  return Math.max(1, Math.min(most, Math.floor(availableCores() / ranks)));
}

/** @throws OptionError */
export function checkStore(store: unknown): asserts store is Store {
  if (typeof (store as Store | undefined)?.location === 'function') return;
  throw new OptionError('store', 'it is not an opened store', 'Pass `await openStore(dir)`');
}

/** What is given, and what the plans say where nothing is. @throws StoreError, PlansError */
function sizes(
  store: Store,
  { config, patchSize, batchSize, previousStage }: ConfigurationChoices,
): { patchSize: readonly number[]; batchSize: number } {
  if (patchSize !== undefined && batchSize !== undefined && config === undefined) return { patchSize, batchSize };
  const planned = storeConfiguration(store, config);
  if (planned.previousStage !== null && previousStage === undefined)
    throw new OptionError(
      'previousStage',
      `${planned.name} goes on from ${planned.previousStage}, whose segmentations are not given`,
      'Give the folder they are in',
    );
  return { patchSize: patchSize ?? planned.patchSize, batchSize: batchSize ?? planned.batchSize };
}

/** Channels that were normalised within the nonzero region. */
function masked({ index }: Store): number[] {
  const { normalisation = [] } = (index.options ?? {}) as { normalisation?: Normalisation[] };
  return normalisation.flatMap((entry, channel) => (entry.scheme === 'zscore' && entry.masked ? [channel] : []));
}

function targetScales(store: Store, { config, deepSupervision }: ConfigurationChoices, patchSize: readonly number[]): number[][] {
  const full = patchSize.map(() => 1);
  if (deepSupervision === false) return [full];
  if (deepSupervision !== true) {
    targetShapes(patchSize, deepSupervision);
    return deepSupervision.map((scale) => [...scale]);
  }
  const { network, name } = storeConfiguration(store, config);
  if (network === null || network.strides[0].length !== patchSize.length)
    throw new OptionError(
      'deepSupervision',
      `the network planned for ${name} ${network === null ? 'is none of nnU-Net' : 'has another number of axes than the patch'}`,
      'Give the scales of each target, as [[1, 1, 1], [0.5, 0.5, 0.5]]',
    );
  return scalesOf(network.strides);
}

/** The channels of region-based targets, as nnU-Net orders them. @throws OptionError */
function regionLabels(store: Store, { augmentation, regions, targetType }: ConfigurationChoices): number[][] | null {
  const { classes, ignore } = store.index.labels;
  const named = foregroundOf(classes);
  const has = named.some(({ labels }) => labels.length > 1);
  if (!(regions ?? (has && augmentation !== 'none'))) {
    if (targetType === 'bool')
      throw new OptionError(
        'targetType',
        'targets are labels here, and only masks are bool',
        'Set `regions` to true, or leave `targetType` out',
      );
    return null;
  }
  return [...named.map(({ labels }) => [...labels]), ...(ignore === null ? [] : [[ignore]])];
}
