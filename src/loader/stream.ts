import { ClosedError, OptionError } from '../common/errors.ts';
import { refuseUnknown } from '../common/options.ts';
import type { BatchPlanner } from '../sampling/batch-planner.ts';
import type { SlotPlan } from '../sampling/slot-plan.ts';
import type { Dispatcher, Lane } from '../scheduling/dispatcher.ts';
import type { Ring } from '../shared-memory/ring.ts';
import { checkPosition, checkSignal } from './arguments.ts';
import { Batch, type BatchStream, type BatchTicket, batchesUntil } from './batch.ts';
import type { ExposureCount } from './exposure-count.ts';
import type { StreamMetrics } from './metrics.ts';

/** A batch on its way: planned, and being filled by workers or ready. */
interface Prepared {
  index: number;
  entry: number;
  configuration: number;
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

/** What a stream is made of. The dispatcher and the memory behind the ring are shared with other streams. */
export interface StreamParts {
  /** What its samples are called in errors: "" or "validation ". */
  name: string;
  ring: Ring;
  dispatcher: Dispatcher;
  planner: BatchPlanner;
  exposure: ExposureCount;
  caseIds: readonly string[];
  /** The batch that comes first, counted from 0. */
  nextBatch: number;
  /** Batches of an epoch. */
  epochLength: number;
  /** Whether batches that are disposed are overwritten. */
  poison: boolean;
  /** Told when there will be no more batches. */
  onEnd: () => void;
}

/**
 * An endless, bit-reproducible stream of batches. The story of a batch, in this file from top to bottom:
 *
 * 1. `start` takes a free entry of the ring. That is the only back-pressure there is.
 * 2. It plans every sample of the batch (pure functions of the seed and the sample's index) and hands the plans out.
 * 3. Workers read the boxes into shared memory; the dispatcher redoes what died with a worker.
 * 4. `#serve` gives finished batches to whoever waits, in plan order, whatever order they were finished in.
 * 5. The consumer disposes the batch; its entry is free again.
 */
export class RingStream implements BatchStream {
  readonly epochLength: number;
  /** Time that planning took, in milliseconds. */
  planMs = 0;
  readonly #parts: StreamParts;
  readonly #ring: Ring;
  readonly #lane: Lane;
  readonly #prepared: Prepared[] = [];
  readonly #waiters: Waiter[] = [];
  /** Why there will be no more batches. */
  #end: Error | null = null;
  /** The batch that is handed out next, and the one that is planned next. */
  #nextBatch: number;
  #nextPlanned: number;
  #startedAt: number | null = null;
  #waitMs = 0;
  #warned = false;
  readonly #counts = { batches: 0, patches: 0, forced: 0, forcedWithoutForeground: 0, withForeground: 0 };

  constructor(parts: StreamParts) {
    this.epochLength = parts.epochLength;
    this.#parts = parts;
    this.#ring = parts.ring;
    this.#lane = parts.dispatcher.open(parts.name, () => this.#waiters[0]?.since ?? Number.POSITIVE_INFINITY);
    this.#nextBatch = parts.nextBatch;
    this.#nextPlanned = parts.nextBatch;
  }

  /** Steps 1 to 3, for one batch after the other, as far ahead as the ring allows. Called once, by the loader. */
  async start(): Promise<void> {
    for (;;) {
      const entry = await this.#ring.acquire(() => this.#end !== null);
      if (entry === null) return;
      const prepared: Prepared = { index: this.#nextPlanned++, entry, configuration: 0, plans: [], state: 'filling' };
      this.#prepared.push(prepared);
      this.#fill(prepared).then(
        () => this.#settle(prepared, 'ready'),
        (error) => this.#settle(prepared, error),
      );
    }
  }

  async #fill(prepared: Prepared): Promise<void> {
    const start = performance.now();
    Object.assign(prepared, this.#parts.planner.plan(prepared.index));
    this.planMs += performance.now() - start;
    await this.#parts.dispatcher.fill(this.#lane, prepared.entry, prepared);
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
    this.#dropSkipped();
    while (this.#waiters.length > 0 && this.#prepared.length > 0) {
      const [{ state }] = this.#prepared;
      if (state === 'filling') return;
      if (state !== 'ready') {
        this.end(state);
        return;
      }
      const waiter = this.#waiters.shift() as Waiter;
      const { index, entry, configuration, plans } = this.#prepared.shift() as Prepared;
      this.#ring.lease(entry, index);
      const foreground = plans.map((_, slot) => this.#ring.hasForeground(entry, slot));
      this.#count(plans, foreground, waiter);
      this.#parts.exposure.add(
        configuration,
        plans.map((_, slot) => this.#ring.seen(entry, slot)),
      );
      this.#nextBatch = index + 1;
      const keys = plans.map(({ caseNumber }) => this.#parts.caseIds[caseNumber]);
      waiter.resolve({ index, epoch: Math.floor(index / this.epochLength), entry, configuration, plans, foreground, keys });
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

  get nextBatch(): number {
    return this.#nextBatch;
  }

  skipTo(batch: number): void {
    checkPosition(batch);
    if (batch <= this.#nextBatch) return;
    this.#nextBatch = batch;
    this.#nextPlanned = Math.max(this.#nextPlanned, batch);
    this.#serve();
  }

  /** Entries of batches that nobody wants any more are free once workers are done with them. */
  #dropSkipped(): void {
    while (this.#prepared.length > 0 && this.#prepared[0].index < this.#nextBatch && this.#prepared[0].state !== 'filling') {
      const { entry, index } = this.#prepared.shift() as Prepared;
      this.#ring.lease(entry, index);
      this.#ring.release(entry, index);
    }
  }

  /** No more batches: whoever waits learns why, and so does everybody who asks later. */
  end(reason: Error): void {
    if (this.#end !== null) return;
    this.#end = reason;
    // Their memory may soon be another loader's.
    this.#prepared.splice(0);
    for (const waiter of this.#waiters.splice(0)) waiter.reject(reason);
    this.#ring.wake();
    this.#parts.onEnd();
  }

  get ended(): boolean {
    return this.#end !== null;
  }

  async next(options: { signal?: AbortSignal } = {}): Promise<Batch> {
    refuseUnknown(options, ['signal']);
    return new Batch(this.#ring, await this.take(options.signal), this.#parts.poison);
  }

  async take(signal?: AbortSignal): Promise<BatchTicket> {
    checkSignal(signal);
    if (signal?.aborted) throw signal.reason;
    if (this.#end !== null) throw this.#end;
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
    const stuck = this.#waiters.length > 0 && this.#prepared.length === 0 && this.#ring.freeEntries() === 0 && this.#counts.batches > 0;
    if (this.#warned || !stuck) return;
    this.#warned = true;
    process.emitWarning(
      `All ${this.#ring.size} batches of the ring are held, next() waits until one is disposed. Use \`using batch = …\`, or a larger \`ring\`.`,
      'VoxfeedWarning',
    );
  }

  [Symbol.asyncIterator](): AsyncIterator<Batch, undefined> {
    return batchesUntil(
      () => this.#end instanceof ClosedError,
      () => this.next(),
    );
  }

  metrics(): StreamMetrics {
    const now = performance.now();
    const elapsedMs = this.#startedAt === null ? 0 : now - this.#startedAt;
    const waitMs = this.#waiters.reduce((sum, { since }) => sum + now - since, this.#waitMs);
    return {
      ...this.#counts,
      exposure: this.#parts.exposure.report(),
      elapsedMs,
      waitMs,
      waitFraction: elapsedMs === 0 ? 0 : Math.min(1, waitMs / elapsedMs),
      patchesPerSecond: elapsedMs === 0 ? 0 : (1000 * this.#counts.patches) / elapsedMs,
    };
  }
}

export function noValidation(): OptionError {
  return new OptionError('validation', 'the loader has no validation stream', 'Create it with `fold` and `validation: true`');
}
