import type { Pipeline } from '../augmentation/pipeline.ts';
import { OptionError } from '../common/errors.ts';
import { show, type Triple } from '../common/geometry.ts';
import type { Given } from '../common/options.ts';
import { streamSeed } from '../common/random.ts';
import { adviceFor } from '../planning/oversampling-advice.ts';
import { isAnnotated, type LabelClass } from '../raw/labels.ts';
import type { Store } from '../store/store.ts';
import type { StoredCase } from '../store/store-index.ts';
import { checkExposure, classNamed, forcingFor, inOrder } from './exposure.ts';
import type { Schedule } from './oversampling.ts';
import { type RankSlots, resolveRanks } from './ranks.ts';
import type { Sampling } from './slot-plan.ts';
import type { Exposure, SAMPLING_OPTIONS } from './table.ts';
import { WeightedChoice } from './weighted-choice.ts';

/** nnU-Net's `oversample_foreground_percent`. */
const DEFAULT_FRACTION = 0.33;

/** How cases, classes and forced slots are drawn: a part of a loader's options. */
export interface SamplingOptions extends Given<typeof SAMPLING_OPTIONS> {}

/** The same, checked, nothing left open. Plain data. */
export interface ResolvedSampling {
  /** Which cases are drawn from, as positions in the store; null for all. */
  cases: readonly number[] | null;
  /** 0 where exposures decide. */
  oversample: number | Schedule;
  probabilisticOversampling: boolean | 'realised';
  /** One a case; null: all alike. */
  caseWeights: number[] | null;
  classWeights: Record<string, number> | null;
  exposure: Exposure | null;
  /** The labels of each class of `exposure`, in its order. */
  counted: number[][];
  worldSize: number;
  slots: RankSlots;
}

/**
 * @param cases which are drawn from, as positions in the store; null for all
 * @throws OptionError naming the option and what it may be
 */
export function resolveSampling(
  options: SamplingOptions,
  store: Store,
  patch: Triple,
  batchSize: number,
  cases: readonly number[] | null = null,
): ResolvedSampling {
  const { probabilisticOversampling = false } = options;
  const caseWeights = resolveCaseWeights(options.caseWeights ?? null, store.cases);
  const drawn = drawnWeights(store, cases, caseWeights);
  const classWeights = resolveClassWeights(options.classWeights ?? null, store.classes);
  const slots = resolveRanks(options, batchSize);
  const rest = { cases, caseWeights, slots, worldSize: slots.worldSize };
  if (options.exposure === undefined || options.exposure === null) {
    const oversample = options.oversample === 'auto' ? advisedOversampling(store, patch) : (options.oversample ?? DEFAULT_FRACTION);
    return { ...rest, oversample, probabilisticOversampling, classWeights, exposure: null, counted: [] };
  }
  const deciding = [
    ['oversample', options.oversample !== undefined],
    ['probabilisticOversampling', probabilisticOversampling !== false],
    ['classWeights', classWeights !== null],
  ].find(([, given]) => given);
  if (deciding)
    throw new OptionError(
      deciding[0] as string,
      '`exposure` decides which slots are forced, and onto which class',
      'Leave one of the two out',
    );
  const exposure = checkExposure(options.exposure, store, drawn);
  const counted = Object.keys(exposure).map((name) => [...store.classes[classNamed(store.classes, name, 'exposure')].labels]);
  return { ...rest, oversample: 0, probabilisticOversampling: false, classWeights: null, exposure, counted };
}

/**
 * How often each case is drawn beside the others; null: all alike. Cases that are not drawn from have the weight 0.
 * @throws OptionError if no case is left
 */
function drawnWeights({ cases }: Store, drawn: readonly number[] | null, caseWeights: readonly number[] | null): number[] | null {
  if (drawn === null && caseWeights === null) return null;
  const weights: number[] = Array(cases.length).fill(0);
  for (const caseNumber of drawn ?? cases.keys()) weights[caseNumber] = caseWeights?.[caseNumber] ?? 1;
  if (weights.some((weight) => weight > 0)) return weights;
  throw new OptionError(
    'caseWeights',
    drawn === null ? 'all of them are 0' : `they are 0 for all ${drawn.length} cases of the fold that are drawn from`,
    'Give some cases a weight',
  );
}

/** A configuration of a loader, as far as it decides plans. */
interface Configured extends ResolvedSampling {
  store: Store;
  /** Of the run, and which of its streams this is: see `streamSeed`. */
  seed: number;
  stream: number;
  batchSize: number;
  patch: Triple;
}

/**
 * What planning needs, made from resolved options. With exposures, this measures how often patches hold the classes.
 * @throws OptionError for exposures that cannot be
 */
export function samplingFor(options: Configured, pipeline: Pipeline): Sampling {
  const { store, seed, stream, batchSize, patch, slots, oversample, probabilisticOversampling, classWeights, exposure } = options;
  const weights = drawnWeights(store, options.cases, options.caseWeights);
  const sampling: Sampling = {
    seed: streamSeed(seed, stream),
    batchSize,
    slots,
    patch: { read: pipeline.crop, final: patch },
    oversampling: { fraction: oversample, probabilistic: probabilisticOversampling },
    cases: weights && new WeightedChoice(weights),
    classWeights: classWeights && store.classes.map(({ name }) => classWeights[name] ?? 1),
    pipeline,
  };
  return exposure ? { ...sampling, forcing: forcingFor(store, sampling, exposure, weights) } : sampling;
}

const isWeight = (value: unknown): value is number => typeof value === 'number' && value >= 0 && Number.isFinite(value);

function resolveCaseWeights(given: SamplingOptions['caseWeights'], cases: readonly StoredCase[]): number[] | null {
  if (given === null || given === undefined) return null;
  const weights = weightList(given, cases);
  const bad = weights.findIndex((weight) => !isWeight(weight));
  if (bad >= 0)
    throw new OptionError(
      'caseWeights',
      `the weight of ${cases[bad].id} is ${JSON.stringify(weights[bad])}`,
      'Give numbers of at least 0; 0 leaves a case out',
    );
  return weights;
}

function weightList(given: NonNullable<SamplingOptions['caseWeights']>, cases: readonly StoredCase[]): number[] {
  if (Array.isArray(given)) {
    if (given.length === cases.length) return [...given];
    throw new OptionError('caseWeights', `there are ${given.length} of them, the store has ${cases.length} cases`, 'Give one a case');
  }
  const byId = given as Record<string, number>;
  const ids = new Set(cases.map(({ id }) => id));
  const unknown = Object.keys(byId).find((id) => !ids.has(id));
  if (unknown !== undefined) throw new OptionError(`caseWeights.${unknown}`, 'the store has no such case', 'Use the ids of its cases');
  return cases.map(({ id }) => (Object.hasOwn(byId, id) ? byId[id] : 1));
}

function resolveClassWeights(given: SamplingOptions['classWeights'], classes: readonly LabelClass[]): Record<string, number> | null {
  if (given === null || given === undefined) return null;
  for (const [name, weight] of Object.entries(given)) {
    classNamed(classes, name, 'classWeights');
    if (!isWeight(weight))
      throw new OptionError(`classWeights.${name}`, `${JSON.stringify(weight)} is no weight`, 'Give a number of at least 0');
  }
  if (classes.every((entry) => isAnnotated(entry) || given[entry.name] === 0))
    throw new OptionError('classWeights', 'they are 0 for all classes', 'Give some class a weight, or set `oversample` to 0');
  return inOrder(classes, given);
}

function advisedOversampling({ index: { coverage }, classes }: Store, patch: Triple): number {
  const measured = coverage.find((found) => found.patch.join() === patch.join());
  if (measured !== undefined) return adviceFor(measured, classes).recommended;
  const known = coverage.map((found) => show(found.patch)).join(' and ');
  throw new OptionError(
    'oversample',
    known ? `'auto' is known for patches of ${known}, not of ${show(patch)}` : "'auto' is not known: nothing was measured in this store",
    'Give a number from 0 to 1, or take the patch size that the store was written for',
  );
}
