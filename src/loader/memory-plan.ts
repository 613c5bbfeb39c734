import type { PatchRecipe } from '../augmentation/patch-maker.ts';
import { cascadeOf } from '../augmentation/pipeline.ts';
import { targetChannels } from '../augmentation/targets.ts';
import { showBytes } from '../common/bytes.ts';
import { MemoryError } from '../common/errors.ts';
import type { StoredArrays } from '../reading/open-files.ts';
import { residentBytes } from '../reading/resident-cases.ts';
import { ranksHere, slotsOf } from '../sampling/ranks.ts';
import { slotsPerTask } from '../scheduling/dispatcher.ts';
import { TASKS_PER_WORKER } from '../scheduling/worker-pool.ts';
import { ADDRESSABLE, computeLayout, type EntryOptions, type Layout } from '../shared-memory/layout.ts';
import { casesOf } from './local.ts';
import type { ResolvedOptions } from './options/options.ts';
import { allConfigurations, type ResolvedConfiguration, type ResolvedStreams } from './options/streams.ts';

/** One batch to be held and one to be filled. */
const SMALLEST_RING = 2;
/** Cases kept in memory where nothing else is said, in bytes, by all ranks of a machine together. */
export const DEFAULT_CACHE_BYTES = 1024 ** 3;

/**
 * Sizes everything from the options, before anything is allocated. `recipes` has one for each of `allConfigurations`.
 * @param sharesCases whether the ranks of the machine keep the resident cases together, see `joinCases`
 */
export function planMemory(streams: ResolvedStreams, recipes: readonly PatchRecipe[], sharesCases = false): Layout {
  const { common, training, validation } = streams;
  const { store, workers, cacheBytes, maxMemoryBytes } = common;
  const { channels, labelBytes, format } = arraysOf(common);
  const configurations = allConfigurations(streams);
  const sizes = {
    channels,
    cascadeChannels: cascadeOf(recipes[0].pipeline.steps).labels.length,
    configurations: configurations.map((configuration, i) => entryOf(configuration, recipes[i])),
    scratches: workers * TASKS_PER_WORKER,
    scratchBytes: Math.max(...recipes.map(({ scratch }) => scratch.totalBytes)),
    labelBytes,
    residentBytes: [],
    sharesCases,
  };
  // Boxes cannot be read out of archives: each case is inflated by a worker, with the packed bytes beside, and stays in memory.
  const packed = format === 'npz';
  const bytesOf = (caseNumber: number): number => residentBytes(channels, labelBytes, store.cases[caseNumber].shape);
  const inflating = packed
    ? 2 *
      workers *
      store.cases
        .keys()
        .map(bytesOf)
        .reduce((most, bytes) => Math.max(most, bytes), 0)
    : 0;
  const limit = Math.min(ADDRESSABLE, maxMemoryBytes - store.locationsBytes - inflating);
  const streamCount = validation === null ? 1 : 2;
  /** All but the cases. */
  const withRings = (options: typeof sizes): Layout => {
    const least = computeLayout({ ...options, rings: Array(streamCount).fill(1) });
    let spare = Math.floor((limit - least.totalBytes) / least.entryBytes);
    /** At most `part` of what is left goes to one ring. */
    const ring = (given: number | null, tasks: number, part: number): number => {
      const entries = given ?? Math.max(SMALLEST_RING, Math.min(wantedRing(least, tasks), 1 + Math.floor(part * spare)));
      spare -= entries - 1;
      return entries;
    };
    // Validation has as many batches as keep each worker at one task: it is filled ahead where there is time.
    const ofValidation = validation === null ? [] : [ring(validation.ring, workers, 1 / 3)];
    return computeLayout({ ...options, rings: [ring(training.ring, options.scratches, 1), ...ofValidation] });
  };
  const needed = withRings(sizes);
  // The first rank makes the most samples of a batch. What it has room for, all have: they can share only what is the same.
  const first = configurations.map((each, i) => entryOf({ ...each, slots: slotsOf(each.batchSize, each.slots.worldSize, 0) }, recipes[i]));
  const taken = (sharesCases ? withRings({ ...sizes, configurations: first }) : needed).totalBytes;
  const room = packed
    ? limit - taken
    : Math.min(DEFAULT_CACHE_BYTES / (sharesCases ? 1 : ranksHere(common.worldSize)), (limit - taken) / 2);
  const cache = cacheBytes === null ? room : Math.min(cacheBytes, ADDRESSABLE - taken);
  const drawn = [...drawnCases(streams)];
  const resident: number[] = Array(store.cases.length).fill(0);
  let left = cache;
  for (const caseNumber of drawn) {
    left -= bytesOf(caseNumber);
    if (left < 0) break;
    resident[caseNumber] = bytesOf(caseNumber);
  }
  if (packed && left < 0)
    throw tooLarge(
      store.dir,
      drawn.reduce((sum, caseNumber) => sum + bytesOf(caseNumber), 0),
      cache,
    );
  return computeLayout({ ...needed, residentBytes: resident });
}

function tooLarge(dir: string, bytes: number, room: number): MemoryError {
  return new MemoryError(
    dir,
    `its .npz files must be kept in memory whole, which takes ${showBytes(bytes)}, and there is room for ${showBytes(Math.max(0, room))}`,
    'Unpack them (nnU-Net does so before it trains), preprocess again with a newer nnU-Net, or raise `cacheBytes` and `maxMemoryBytes`',
  );
}

/** What is to be known of a store and of a previous stage to open their arrays. */
export function arraysOf({ store, previous }: Pick<ResolvedOptions, 'store' | 'previous'>): StoredArrays {
  const { arrays = 'npy', channels, labelDtype } = store.index;
  return {
    dir: store.arraysDir,
    format: arrays,
    cases: store.cases.map(({ id, shape, lines }) => ({ id, shape, lines })),
    channels: channels.length,
    labelBytes: labelDtype === 'int16' ? 2 : 1,
    previous: previous?.arrays ?? null,
  };
}

/** What a batch of a configuration holds. */
export function entryOf({ config, patchSize, slots, patch }: ResolvedConfiguration, { targets }: PatchRecipe): EntryOptions {
  const { shapes, type } = targets;
  return {
    config,
    batchSize: slots.count,
    patchSize,
    patch,
    targets: shapes,
    targetChannels: targetChannels(targets),
    targetType: type,
  };
}

/** The cases of all streams, those of training first. */
export function drawnCases(streams: ResolvedStreams): Iterable<number> {
  return casesOf(allConfigurations(streams));
}

/** Enough batches for so many tasks, one more task to be handed out at once, and one batch in the consumer's hands. */
export function wantedRing({ configurations }: Layout, tasks: number): number {
  return Math.max(
    ...configurations.map(({ batchSize, sampleBytes }) => Math.ceil(((tasks + 1) * slotsPerTask(sampleBytes)) / batchSize) + 1),
  );
}
