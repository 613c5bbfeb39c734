import type { PatchRecipe } from './augmentation/patch-maker.ts';
import { targetChannels } from './augmentation/targets.ts';
import { residentBytes } from './dataset/resident-cases.ts';
import { slotsPerTask } from './scheduling/dispatcher.ts';
import { TASKS_PER_WORKER } from './scheduling/worker-pool.ts';
import { ADDRESSABLE, computeLayout, type Layout } from './shared-memory/layout.ts';
import type { ResolvedConfiguration, ResolvedStreams } from './stream-options.ts';

/** One batch to be held and one to be filled. */
const SMALLEST_RING = 2;
/** Cases kept in memory where nothing else is said, in bytes. */
const DEFAULT_CACHE_BYTES = 1024 ** 3;

/** Every configuration of a loader, those of training first: the order of `Layout.configurations`. */
export function allConfigurations({ training, validation }: ResolvedStreams): ResolvedConfiguration[] {
  return [...training.configurations, ...(validation?.configurations ?? [])];
}

/** Sizes everything from the options, before anything is allocated. `recipes` has one for each of `allConfigurations`. */
export function planMemory(streams: ResolvedStreams, recipes: readonly PatchRecipe[]): Layout {
  const { common, training, validation } = streams;
  const { store, workers, cacheBytes, maxMemoryBytes } = common;
  const channels = store.index.channels.length;
  const labelBytes = store.index.labelDtype === 'int16' ? 2 : 1;
  const sizes = {
    channels,
    configurations: allConfigurations(streams).map(({ config, patchSize, batchSize, patch }, i) => ({
      config,
      batchSize,
      patchSize,
      patch,
      targets: recipes[i].targets.shapes,
      targetChannels: targetChannels(recipes[i].targets),
    })),
    scratches: workers * TASKS_PER_WORKER,
    scratchBytes: Math.max(...recipes.map(({ scratch }) => scratch.totalBytes)),
    labelBytes,
    residentBytes: [],
  };
  const limit = Math.min(ADDRESSABLE, maxMemoryBytes - store.locationsBytes);
  const streamCount = validation === null ? 1 : 2;
  const least = computeLayout({ ...sizes, rings: Array(streamCount).fill(1) });
  let spare = Math.floor((limit - least.totalBytes) / least.entryBytes);
  /** At most `part` of what is left goes to one ring. */
  const ring = (given: number | null, tasks: number, part: number): number => {
    const entries = given ?? Math.max(SMALLEST_RING, Math.min(wantedRing(least, tasks), 1 + Math.floor(part * spare)));
    spare -= entries - 1;
    return entries;
  };
  // Validation has as many batches as keep each worker at one task: it is filled ahead where there is time.
  const ofValidation = validation === null ? [] : [ring(validation.ring, workers, 1 / 3)];
  const needed = computeLayout({ ...sizes, rings: [ring(training.ring, sizes.scratches, 1), ...ofValidation] });

  let left = Math.min(
    cacheBytes ?? DEFAULT_CACHE_BYTES,
    cacheBytes === null ? (limit - needed.totalBytes) / 2 : ADDRESSABLE - needed.totalBytes,
  );
  const resident: number[] = Array(store.cases.length).fill(0);
  for (const caseNumber of drawnCases(streams)) {
    const bytes = residentBytes(channels, labelBytes, store.cases[caseNumber].shape);
    left -= bytes;
    if (left < 0) break;
    resident[caseNumber] = bytes;
  }
  return computeLayout({ ...needed, residentBytes: resident });
}

/** The cases of all streams, those of training first. */
function drawnCases({ common, training, validation }: ResolvedStreams): Iterable<number> {
  const all = (cases: readonly number[] | null): Iterable<number> => cases ?? common.store.cases.keys();
  return new Set([...all(training.cases), ...(validation === null ? [] : all(validation.cases))]);
}

/** Enough batches for so many tasks, one more task to be handed out at once, and one batch in the consumer's hands. */
function wantedRing({ configurations }: Layout, tasks: number): number {
  return Math.max(
    ...configurations.map(({ batchSize, sampleBytes }) => Math.ceil(((tasks + 1) * slotsPerTask(sampleBytes)) / batchSize) + 1),
  );
}
