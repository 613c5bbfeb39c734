import { closeSync } from 'node:fs';
import { recipeOf } from '../augmentation/recipe.ts';
import type { CompleteStep } from '../augmentation/transform.ts';
import type { LocalCases } from '../caching/local-cases.ts';
import { publish } from '../common/channels.ts';
import { thisMachine } from '../common/machine.ts';
import { checkOptions } from '../common/options.ts';
import { workerFile } from '../common/worker-file.ts';
import type { BatchPlanner } from '../sampling/batch-planner.ts';
import { Dispatcher } from '../scheduling/dispatcher.ts';
import type { WorkerPool } from '../scheduling/worker-pool.ts';
import { LOOK_MS, type Tuning, WorkerTuner } from '../scheduling/worker-tuner.ts';
import type { Layout, MemoryReport } from '../shared-memory/layout.ts';
import { letGoOf } from '../shared-memory/reuse.ts';
import { Ring } from '../shared-memory/ring.ts';
import { warnOfOverlap } from '../store/splits.ts';
import { type Allocation, allocateFor } from './allocation.ts';
import { checkEnd, checkPositions } from './arguments.ts';
import type { Batch, BatchStream, BatchTicket } from './batch.ts';
import { DIAGNOSE_OPTIONS, type DiagnoseOptions, type Diagnosis } from './diagnosis.ts';
import { type Epoch, epochs } from './epochs.ts';
import { ExposureCount } from './exposure-count.ts';
import { bringLocations, casesOf, openLocal } from './local.ts';
import type { LoaderMetrics } from './metrics.ts';
import type { LoaderOptions } from './options/options.ts';
import { prepareOptions } from './options/prepare.ts';
import { type LoaderState, type Positions, type ResumeOptions, saveState } from './options/state.ts';
import { allConfigurations, plannerOf, type ResolvedStream, type ResolvedStreams } from './options/streams.ts';
import { type Settings, settingsOf } from './settings.ts';
import { stageMetrics } from './stage-metrics.ts';
import { startWorkers, tallyOf } from './start-workers.ts';
import { closedError, noValidation, RingStream } from './stream.ts';
import { diagnose } from './verdicts.ts';
import { watch } from './watch.ts';

/**
 * Streams batches of a store. It sizes one shared memory, starts one pool of workers, and lets its streams use both: the training
 * stream, which it is itself to its consumer, and the validation stream beside it. How batches come about is told in `RingStream`.
 */
export class PatchLoader implements AsyncDisposable, AsyncIterable<Batch> {
  readonly #options: ResolvedStreams;
  readonly #allocated: Allocation;
  /** The pipeline of each configuration. */
  readonly #steps: readonly (readonly CompleteStep[])[];
  readonly #pool: WorkerPool;
  readonly #dispatcher: Dispatcher;
  /** With workers that come and go. */
  #tuner: WorkerTuner | null = null;
  readonly #training: RingStream;
  readonly #validation: RingStream | null;
  readonly #local: LocalCases | null;
  #closed: Promise<void> | null = null;

  /**
   * Checks the options, sizes and allocates the memory, starts the workers and begins to fill batches.
   * @param workerModule which module workers run; tests put faults in here.
   * @param ringFile a memfd that the batches shall lie in, see `mapRings`: how another process gets them without a copy.
   * @param tuning what `workers: 'auto'` goes by; tests make a machine up
   * @throws OptionError, StateError, DatasetError, CaseError, FileError, MemoryError, WorkerError
   * @example
   * ```ts
   * await using loader = await PatchLoader.create({
   *   store: await openStore('store'),
   *   augmentation: 'default',
   *   deepSupervision: true,
   *   seed: 7,
   *   workers: 2,
   * });
   * for await (using batch of loader) {
   *   train(batch.data, batch.targets); // views on shared memory, valid in this block
   *   if (batch.index === 999) break;
   * }
   * ```
   * @example Going on where another loader stopped
   * ```ts
   * const state = JSON.parse(await readFile('state.json', 'utf8')); // what `loader.state()` returned
   * await using loader = await PatchLoader.create({ store: await openStore('store'), state, workers: 2 });
   * ```
   */
  static async create(
    options: LoaderOptions | ResumeOptions,
    workerModule: string = workerFile('patch-worker'),
    ringFile: number | null = null,
    tuning: Partial<Tuning> = {},
  ): Promise<PatchLoader> {
    const local = await openLocal(options);
    await using stack = new AsyncDisposableStack();
    stack.use(local);
    const { streams, next } = await prepareOptions(local === null ? options : { ...options, store: local.store });
    if (streams.fold !== null) warnOfOverlap(streams.common.store, streams.fold);
    if (local !== null) await bringLocations(local, streams);
    const loader = new PatchLoader(streams, next, workerModule, ringFile, local);
    // From here on, closing the loader does it.
    stack.move();
    // Batches are planned while threads come up.
    for (const stream of loader.#streams()) void stream.start();
    try {
      await loader.#pool.ready();
    } catch (error) {
      await loader.close();
      throw error;
    }
    if (streams.common.autoWorkers) loader.#tune({ machine: thisMachine(), everyMs: LOOK_MS, ...tuning });
    publish('voxfeed:loader', () => ({ loader }));
    return loader;
  }

  private constructor(options: ResolvedStreams, next: Positions, workerModule: string, ringFile: number | null, local: LocalCases | null) {
    this.#options = options;
    this.#local = local;
    const recipes = allConfigurations(options).map(recipeOf);
    this.#steps = recipes.map(({ pipeline }) => pipeline.steps);
    const { training, validation, epochs } = options;
    const trainingPlanner = plannerOf(training, recipes, 0);
    const validationPlanner = validation && plannerOf(validation, recipes, training.configurations.length);
    this.#allocated = allocateFor(options, recipes, ringFile);
    const { memory, layout } = this.#allocated;
    const buffer = memory.buffer as SharedArrayBuffer;
    const ring = new Ring(buffer, layout);
    this.#pool = startWorkers(options, recipes, this.#allocated, ring, workerModule, local !== null);
    const caseIds = options.common.store.cases.map(({ id }) => id);
    this.#dispatcher = new Dispatcher(this.#pool, ring, caseIds);

    const open = (stream: ResolvedStream, planner: BatchPlanner, number: 0 | 1, nextBatch: number): RingStream =>
      new RingStream({
        name: number === 0 ? 'training' : 'validation',
        ring: new Ring(buffer, layout, number),
        dispatcher: this.#dispatcher,
        planner,
        exposure: new ExposureCount(
          stream.configurations.map(({ exposure }) => exposure),
          number * training.configurations.length,
        ),
        caseIds,
        nextBatch,
        epochLength: number === 0 ? epochs.training : epochs.validation,
        poison: this.poison,
        hold:
          local?.streamOf(
            { casesOf: (batch) => planner.cases(batch), caseCount: casesOf(stream.configurations).size },
            options.validation === null ? 1 : 2,
          ) ?? null,
        onEnd: () => this.#endIfAllEnded(),
      });
    this.#training = open(training, trainingPlanner, 0, next.training);
    this.#validation = validation && validationPlanner && open(validation, validationPlanner, 1, next.validation);
  }

  #tune(tuning: Tuning): void {
    const tally = tallyOf(this.#streams(), this.#dispatcher);
    this.#tuner = new WorkerTuner(this.#pool, this.#options.common.workers, tally, tuning, () => this.#dispatcher.handOut());
  }

  #streams(): RingStream[] {
    return this.#validation === null ? [this.#training] : [this.#training, this.#validation];
  }

  /** A stream that failed leaves the others alone; after the last one, workers have nothing left to do. */
  #endIfAllEnded(): void {
    if (!this.#streams().every(({ ended }) => ended)) return;
    this.#tuner?.end();
    void this.#dispatcher.close();
  }

  /** The next training batch, see `BatchStream.next`. */
  next(options?: { signal?: AbortSignal }): Promise<Batch> {
    return this.#training.next(options);
  }

  /** `next` as plain data, see `BatchStream.take`. */
  take(signal?: AbortSignal): Promise<BatchTicket> {
    return this.#training.take(signal);
  }

  /** Training batches without end; ends without an error when the loader is closed. Leaving the loop does not close the loader. */
  [Symbol.asyncIterator](): AsyncIterator<Batch, undefined> {
    return this.#training[Symbol.asyncIterator]();
  }

  /** The training stream: the batches that the loader itself gives. */
  get training(): BatchStream {
    return this.#training;
  }

  /** The validation stream. @throws OptionError if the loader was created without one */
  get validation(): BatchStream {
    if (this.#validation !== null) return this.#validation;
    throw noValidation();
  }

  /**
   * Epochs without end, or up to epoch `end`, counted from 0 over all runs: `for await (const epoch of loader.epochs(1000))`, and in
   * it `for await (using batch of epoch.training)` and `for await (using batch of epoch.validation)`.
   */
  epochs(end = Number.POSITIVE_INFINITY): AsyncGenerator<Epoch, undefined> {
    checkEnd(end);
    return epochs(this.#training, this.#validation, end);
  }

  /**
   * Where the streams stand: after every batch handed out so far, whether disposed or not. JSON.
   * @param at other batches to go on with, counted from 0: of a consumer that has batches waiting that it has not looked at.
   */
  state(at: Partial<Positions> = {}): LoaderState {
    checkPositions(at);
    return saveState(this.#options, { training: this.#training.nextBatch, validation: this.#validation?.nextBatch ?? 0, ...at });
  }

  /** Of training, and of the workers. What validation gave is in `validation.metrics()`. */
  metrics(): LoaderMetrics {
    const { busyMs, cpuMs, dispatchMs, stageTimes, redone } = this.#dispatcher;
    const planMs = this.#streams().reduce((sum, stream) => sum + stream.planMs, 0);
    return {
      ...this.#training.metrics(),
      workerBusyMs: busyMs,
      workerCpuMs: cpuMs,
      ...stageMetrics(this.#steps, stageTimes, { busyMs, planMs, dispatchMs }),
      redone,
      workerRestarts: this.#pool.restarts,
      workers: this.#pool.size,
    };
  }

  /**
   * Measures for some seconds, and says what bounds the training stream and what to do about it.
   * @param machine what there is to run on; tests make one up
   * @throws OptionError; ClosedError if the loader is closed, or was by the end; what `next` throws, where it consumes
   * @example
   * const { bound, why, remedies } = await loader.diagnose({ seconds: 5 }); // while a training goes on
   */
  async diagnose(options: DiagnoseOptions = {}, machine = thisMachine()): Promise<Diagnosis> {
    const { seconds, consumerMs = null } = checkOptions(DIAGNOSE_OPTIONS, options);
    const { layout, report } = this.#allocated;
    const ring = new Ring(this.shared().buffer, layout);
    const settings = (): Settings => settingsOf(this.#options, layout, report, machine, (caseNumber) => ring.isResident(caseNumber));
    this.#refuseIfClosed();
    const measured = await watch(this, { seconds, consumerMs }, machine, settings);
    this.#refuseIfClosed();
    return diagnose(measured);
  }

  /** What the loader takes, part by part. */
  memory(): MemoryReport {
    return this.#allocated.report;
  }

  /**
   * The shared memory and its layout: what a consumer in another thread needs to see batches. `notMapped` says why batches do not lie in
   * the file that was given for them; null: they do.
   */
  shared(): { buffer: SharedArrayBuffer; layout: Layout; notMapped: string | null } {
    const { memory, layout, notMapped } = this.#allocated;
    return { buffer: memory.buffer as SharedArrayBuffer, layout, notMapped };
  }

  /**
   * Ends the workers and everybody's waiting; resolves when their threads are gone, or within seconds if one hangs in a system call. Batches
   * still held stay readable. The memory is for the next loader, or for V8 to free.
   */
  close(): Promise<void> {
    if (this.#closed === null) {
      this.#tuner?.end();
      this.#closed = this.#dispatcher.close().then(async (gone) => {
        await this.#local?.[Symbol.asyncDispose]();
        const { memory, layout, notMapped, cases } = this.#allocated;
        // Whatever lies in a file is somebody else's, too.
        if (gone && notMapped !== null && cases === null) letGo(memory, layout);
        if (cases !== null) closeSync(cases);
      });
      for (const stream of this.#streams()) stream.end(closedError());
    }
    return this.#closed;
  }

  /** Whether batches that are disposed are overwritten, see the option. */
  get poison(): boolean {
    return this.#options.common.poison;
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.#closed !== null;
  }

  #refuseIfClosed(): void {
    if (this.closed) throw closedError();
  }

  /** `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Apart, so that nothing refers to the loader any more. */
function letGo(memory: WebAssembly.Memory, layout: Layout): void {
  letGoOf(memory, (buffer) => layout.rings.some((_, stream) => new Ring(buffer, layout, stream).heldEntries() > 0));
}
