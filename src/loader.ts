import type { PatchRecipe } from './augmentation/patch-maker.ts';
import { cascadeOf } from './augmentation/pipeline.ts';
import { recipeOf } from './augmentation/recipe.ts';
import { targetChannels } from './augmentation/targets.ts';
import { Batch, type BatchTicket, batchesUntil } from './batch.ts';
import { residentBytes } from './dataset/resident-cases.ts';
import { ClosedError } from './errors.ts';
import { ExposureCount } from './observability/exposure-count.ts';
import type { LoaderMetrics } from './observability/metrics.ts';
import type { LoaderOptions, ResolvedOptions } from './options.ts';
import { prepareOptions } from './prepare-options.ts';
import { samplingFor } from './sampling/options.ts';
import { planBatch, type SamplingOptions, type SlotPlan } from './sampling/slot-plan.ts';
import { openCasesPerWorker } from './scheduling/descriptors.ts';
import { Dispatcher, slotsPerTask } from './scheduling/dispatcher.ts';
import type { PatchWorkerData } from './scheduling/patch-task.ts';
import { TASKS_PER_WORKER, WorkerPool } from './scheduling/worker-pool.ts';
import { allocate } from './shared-memory/allocate.ts';
import { ADDRESSABLE, computeLayout, type Layout, type MemoryReport, reportMemory } from './shared-memory/layout.ts';
import { Ring } from './shared-memory/ring.ts';
import { type LoaderState, type ResumeOptions, saveState } from './state.ts';
import { workerFile } from './worker-file.ts';

/** A batch on its way: planned, and being filled by workers or ready. */
interface Prepared {
  index: number;
  entry: number;
  plans: SlotPlan[];
  /** 'filling', 'ready', or why it cannot be had. */
  state: 'filling' | 'ready' | Error;
}

/** Somebody who waits for a batch. */
interface Waiter {
  since: number;
  resolve: (ticket: BatchTicket) => void;
  reject: (reason: unknown) => void;
}

/**
 * An endless, bit-reproducible stream of batches. The story of a batch, in this file from top to bottom:
 *
 * 1. `#fillAhead` takes a free entry of the ring. That is the only back-pressure there is.
 * 2. It plans every sample of the batch (pure functions of the seed and the sample's index) and hands the plans out.
 * 3. Workers read the boxes into shared memory; the dispatcher redoes what died with a worker.
 * 4. `#serve` gives finished batches to whoever waits, in plan order, whatever order they were finished in.
 * 5. The consumer disposes the batch; its entry is free again.
 */
export class PatchLoader implements AsyncDisposable, AsyncIterable<Batch> {
  readonly #options: ResolvedOptions;
  readonly #sampling: SamplingOptions;
  readonly #ring: Ring;
  readonly #pool: WorkerPool;
  readonly #dispatcher: Dispatcher;
  readonly #memory: MemoryReport;
  readonly #prepared: Prepared[] = [];
  readonly #waiters: Waiter[] = [];
  /** Why there will be no more batches. */
  #end: Error | null = null;
  #closed: Promise<void> | null = null;
  #nextBatch: number;
  #startedAt: number | null = null;
  #waitMs = 0;
  #warned = false;
  readonly #counts = { batches: 0, patches: 0, forced: 0, forcedWithoutForeground: 0, withForeground: 0 };
  readonly #exposure: ExposureCount;

  /**
   * Checks the options, sizes and allocates the memory, starts the workers and begins to fill batches.
   * @param workerModule which module workers run; tests put faults in here.
   * @throws OptionError, StateError, MemoryError, WorkerError
   */
  static async create(options: LoaderOptions | ResumeOptions, workerModule: string = workerFile('patch-worker')): Promise<PatchLoader> {
    const { options: resolved, nextBatch } = await prepareOptions(options);
    const loader = new PatchLoader(resolved, nextBatch, workerModule);
    try {
      await loader.#pool.ready();
    } catch (error) {
      await loader.close();
      throw error;
    }
    void loader.#fillAhead();
    return loader;
  }

  private constructor(options: ResolvedOptions, nextBatch: number, workerModule: string) {
    const { store, workers, previous } = options;
    const recipe = recipeOf(options);
    this.#options = options;
    this.#exposure = new ExposureCount(options.exposure);
    this.#nextBatch = nextBatch;
    this.#sampling = samplingFor(options, recipe.pipeline);
    const layout = layoutFor(options, recipe);
    this.#memory = reportMemory(layout, store.locationsBytes, options.maxMemoryBytes);
    const memory = allocate(layout, this.#memory);
    this.#ring = new Ring(memory.buffer, layout);
    const cases = store.cases.map(({ id, shape }) => ({ id, shape }));
    const workerData: PatchWorkerData = {
      memory,
      layout,
      storeDir: store.dir,
      cases,
      recipe,
      previous: previous?.arrays ?? null,
      openCases: openCasesPerWorker(workers, previous ? 3 : 2),
    };
    this.#pool = new WorkerPool(workerModule, workers, workerData);
    this.#dispatcher = new Dispatcher(
      this.#pool,
      this.#ring,
      cases.map(({ id }) => id),
    );
  }

  /** Steps 1 to 3, for one batch after the other, as far ahead as the ring allows. */
  async #fillAhead(): Promise<void> {
    for (let index = this.#nextBatch; ; index++) {
      const entry = await this.#ring.acquire(() => this.#end !== null);
      if (entry === null) return;
      const prepared: Prepared = { index, entry, plans: [], state: 'filling' };
      this.#prepared.push(prepared);
      this.#fill(prepared).then(
        () => this.#settle(prepared, 'ready'),
        (error) => this.#settle(prepared, error),
      );
    }
  }

  async #fill(prepared: Prepared): Promise<void> {
    prepared.plans = planBatch(this.#options.store, this.#sampling, prepared.index);
    await this.#dispatcher.fill(prepared.entry, prepared.plans);
  }

  #settle(prepared: Prepared, state: Prepared['state']): void {
    prepared.state = state;
    this.#serve();
  }

  /**
   * Step 4. Everything happens in one go: no batch can get lost between a waiter that gives up and one that comes. A batch that
   * cannot be had ends the stream when its turn comes; those before it are still handed out.
   */
  #serve(): void {
    while (this.#waiters.length > 0 && this.#prepared.length > 0) {
      const [{ state }] = this.#prepared;
      if (state === 'filling') return;
      if (state !== 'ready') {
        this.#fail(state);
        return;
      }
      const waiter = this.#waiters.shift() as Waiter;
      const { index, entry, plans } = this.#prepared.shift() as Prepared;
      this.#ring.lease(entry, index);
      const foreground = plans.map((_, slot) => this.#ring.hasForeground(entry, slot));
      this.#count(plans, foreground, waiter);
      if (this.#options.exposure) this.#exposure.add(plans.map((_, slot) => this.#ring.seen(entry, slot)));
      this.#nextBatch = index + 1;
      waiter.resolve({ index, entry, plans, foreground, keys: plans.map(({ caseNumber }) => this.#options.store.cases[caseNumber].id) });
    }
    this.#warnIfStuck();
  }

  #count(plans: SlotPlan[], foreground: boolean[], { since }: Waiter): void {
    const counts = this.#counts;
    counts.batches++;
    counts.patches += plans.length;
    counts.forced += plans.filter(({ forced }) => forced).length;
    counts.forcedWithoutForeground += plans.filter(({ forced, classNumber }) => forced && classNumber === null).length;
    counts.withForeground += foreground.filter(Boolean).length;
    this.#waitMs += performance.now() - since;
  }

  /** No more batches: whoever waits learns why, and so does everybody who asks later. */
  #fail(reason: Error): void {
    if (this.#end !== null) return;
    this.#end = reason;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(reason);
    this.#ring.wake();
    void this.#dispatcher.close();
  }

  /**
   * The next batch, in plan order. Dispose it when done. An aborted call takes no batch: the next call gets it.
   * @throws the signal's reason; ClosedError after `close`; SampleError, StoreError or WorkerError if the run cannot go on.
   */
  async next({ signal }: { signal?: AbortSignal } = {}): Promise<Batch> {
    return new Batch(this.#ring, await this.take(signal), this.#options.patchSize);
  }

  /** `next` as plain data, for a consumer in another thread (see `share`). The batch is leased all the same. */
  take(signal?: AbortSignal): Promise<BatchTicket> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#end !== null) return Promise.reject(this.#end);
    const since = performance.now();
    this.#startedAt ??= since;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        reject(signal?.reason);
      };
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T): void => {
          signal?.removeEventListener('abort', onAbort);
          then(value);
        };
      const waiter: Waiter = { since, resolve: settle(resolve), reject: settle(reject) };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.push(waiter);
      this.#serve();
    });
  }

  /** A consumer that keeps every batch waits for itself: say so once. */
  #warnIfStuck(): void {
    if (
      this.#warned ||
      this.#waiters.length === 0 ||
      this.#prepared.length > 0 ||
      this.#ring.freeEntries() > 0 ||
      this.#counts.batches === 0
    )
      return;
    this.#warned = true;
    process.emitWarning(
      `All ${this.#ring.layout.ring} batches of the ring are held, next() waits until one is disposed. Use \`using batch = …\`, or a larger \`ring\`.`,
      'VoxfeedWarning',
    );
  }

  /** Endless; ends without an error when the loader is closed. Leaving the loop does not close the loader. */
  [Symbol.asyncIterator](): AsyncIterator<Batch, undefined> {
    return batchesUntil(
      () => this.#closed !== null,
      () => this.next(),
    );
  }

  /** Where the stream stands: after every batch handed out so far, whether disposed or not. JSON. */
  state(): LoaderState {
    return saveState(this.#options, this.#nextBatch);
  }

  metrics(): LoaderMetrics {
    const now = performance.now();
    const elapsedMs = this.#startedAt === null ? 0 : now - this.#startedAt;
    const waitMs = this.#waiters.reduce((sum, { since }) => sum + now - since, this.#waitMs);
    return {
      ...this.#counts,
      exposure: this.#exposure.report(),
      elapsedMs,
      waitMs,
      waitFraction: elapsedMs === 0 ? 0 : Math.min(1, waitMs / elapsedMs),
      patchesPerSecond: elapsedMs === 0 ? 0 : (1000 * this.#counts.patches) / elapsedMs,
      workerBusyMs: this.#dispatcher.busyMs,
      redone: this.#dispatcher.redone,
      workerRestarts: this.#pool.restarts,
      workers: this.#pool.size,
    };
  }

  /** What the loader takes, part by part. */
  memory(): MemoryReport {
    return this.#memory;
  }

  /** The shared memory, its layout and the patch size: what a consumer in another thread needs to see batches. */
  shared(): { buffer: SharedArrayBuffer; layout: Layout; patchSize: number[] } {
    return { buffer: this.#ring.buffer, layout: this.#ring.layout, patchSize: this.#options.patchSize };
  }

  /** Ends the workers and everybody's waiting; resolves when their threads are gone. Batches still held stay readable. */
  close(): Promise<void> {
    if (this.#closed === null) {
      this.#fail(new ClosedError('loader', 'it is closed', 'Create a new one; `state()` says where to continue'));
      this.#closed = this.#dispatcher.close();
    }
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** One batch to be held and one to be filled. */
const SMALLEST_RING = 2;
/** Cases kept in memory where nothing else is said, in bytes. */
const DEFAULT_CACHE_BYTES = 1024 ** 3;

/** Sizes everything from the options, before anything is allocated. */
function layoutFor({ store, patch, share, workers, ring, cacheBytes, maxMemoryBytes }: ResolvedOptions, recipe: PatchRecipe): Layout {
  const channels = store.index.channels.length;
  const labelBytes = store.index.labelDtype === 'int16' ? 2 : 1;
  const shapes = store.cases.map(({ shape }) => shape);
  const scratches = workers * TASKS_PER_WORKER;
  const sizes = {
    batchSize: share.count,
    channels,
    cascadeChannels: cascadeOf(recipe.pipeline.steps).labels.length,
    patch,
    targets: recipe.targets.shapes,
    targetChannels: targetChannels(recipe.targets),
    scratches,
    scratchBytes: recipe.scratch.totalBytes,
    labelBytes,
    residentBytes: [],
  };
  const limit = Math.min(ADDRESSABLE, maxMemoryBytes - store.locationsBytes);
  const one = computeLayout({ ...sizes, ring: 1 });
  const affordable = 1 + Math.floor((limit - one.totalBytes) / one.entryBytes);
  const needed = computeLayout({ ...sizes, ring: ring ?? Math.max(SMALLEST_RING, Math.min(wantedRing(one), affordable)) });

  let left = Math.min(
    cacheBytes ?? DEFAULT_CACHE_BYTES,
    cacheBytes === null ? (limit - needed.totalBytes) / 2 : ADDRESSABLE - needed.totalBytes,
  );
  const resident: number[] = [];
  for (const shape of shapes) {
    const bytes = residentBytes(channels, labelBytes, shape);
    left -= bytes;
    if (left < 0) break;
    resident.push(bytes);
  }
  return computeLayout({ ...needed, residentBytes: resident });
}

/** Enough batches for every task that can be under way, one more to be handed out at once, and one in the consumer's hands. */
function wantedRing({ scratches, batchSize, sampleBytes }: Layout): number {
  return Math.ceil(((scratches + 1) * slotsPerTask(sampleBytes)) / batchSize) + 1;
}
