import { publish } from '../common/channels.ts';
import { ClosedError, OptionError } from '../common/errors.ts';
import { refuseUnknown } from '../common/options.ts';
import type { BatchPlanner } from '../sampling/batch-planner.ts';
import type { SlotPlan } from '../sampling/slot-plan.ts';
import type { Dispatcher, Lane, StreamName } from '../scheduling/dispatcher.ts';
import type { Ring } from '../shared-memory/ring.ts';
import { checkPosition, checkSignal } from './arguments.ts';
import { Batch, type BatchStream, type BatchTicket, batchesUntil } from './batch.ts';
import type { ExposureCount } from './exposure-count.ts';
import type { StreamMetrics } from './metrics.ts';
import { StreamCount } from './stream-count.ts';

/** A batch on its way: planned, and being filled by workers or ready. */
interface Prepared {
  index: number;
  entry: number;
  configuration: number;
  plans: SlotPlan[];
  /** Whether its cases are not all here yet. */
  copying: boolean;
  /** When it was planned, and written: milliseconds of the clock. */
  plannedAt: number;
  writtenAt: number;
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
  name: StreamName;
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
  /** Where cases are copied before they are read: sees to it that those of a batch are there until it is written. */
  hold?: ((batch: number) => Promise<Disposable>) | null;
  /** Told when there will be no more batches. */
  onEnd: () => void;
}

/**
 * An endless, bit-reproducible stream of batches. The story of a batch, in this file from top to bottom:
 *
 * 1. `start` takes a free entry of the ring. That is the only back-pressure there is.
 * 2. It plans every sample of the batch (pure functions of the seed and the sample's index) and hands the plans out. With a local cache,
 *    it waits for the batch's cases first.
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
  /** When the batch that comes next became the next one. */
  #nextSince = 0;
  #warned = false;
  readonly #count: StreamCount;

  constructor(parts: StreamParts) {
    this.epochLength = parts.epochLength;
    this.#parts = parts;
    this.#ring = parts.ring;
    this.#count = new StreamCount(parts.exposure);
    this.#lane = parts.dispatcher.open(parts.name, () => this.#waiters[0]?.since ?? Number.POSITIVE_INFINITY);
    this.#nextBatch = parts.nextBatch;
    this.#nextPlanned = parts.nextBatch;
  }

  /** Steps 1 to 3, for one batch after the other, as far ahead as the ring allows. Called once, by the loader. */
  async start(): Promise<void> {
    for (;;) {
      const entry = await this.#ring.acquire(() => this.#end !== null);
      if (entry === null) return;
      const prepared: Prepared = {
        index: this.#nextPlanned++,
        entry,
        configuration: 0,
        plans: [],
        copying: false,
        plannedAt: performance.now(),
        writtenAt: 0,
        state: 'filling',
      };
      this.#prepared.push(prepared);
      this.#fill(prepared).then(
        () => this.#settle(prepared, 'ready'),
        (error) => this.#settle(prepared, error),
      );
    }
  }

  async #fill(prepared: Prepared): Promise<void> {
    const { planner, hold } = this.#parts;
    using _held = hold ? await this.#copied(prepared, hold(prepared.index)) : null;
    const start = performance.now();
    Object.assign(prepared, planner.plan(prepared.index));
    this.planMs += performance.now() - start;
    await this.#parts.dispatcher.fill(this.#lane, prepared.entry, prepared);
  }

  async #copied(prepared: Prepared, held: Promise<Disposable>): Promise<Disposable> {
    prepared.copying = true;
    try {
      return await held;
    } finally {
      this.#count.copyWaitMs += this.#waitsForCopies(prepared);
      prepared.copying = false;
    }
  }

  /** For how long somebody has waited for this batch while its cases were copied, in milliseconds. */
  #waitsForCopies(prepared: Prepared | undefined): number {
    const [waiter] = this.#waiters;
    if (!prepared?.copying || prepared !== this.#prepared[0] || waiter === undefined) return 0;
    return performance.now() - Math.max(waiter.since, prepared.plannedAt, this.#nextSince);
  }

  #settle(prepared: Prepared, state: Prepared['state']): void {
    prepared.state = state;
    prepared.writtenAt = performance.now();
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
      const { index, entry, configuration, plans, plannedAt, writtenAt } = this.#prepared.shift() as Prepared;
      this.#ring.lease(entry, index);
      const foreground = plans.map((_, slot) => this.#ring.hasForeground(entry, slot));
      const waitMs = performance.now() - waiter.since;
      const seen = plans.map((_, slot) => this.#ring.seen(entry, slot));
      this.#count.add({ configuration, plans, foreground, seen, waitMs });
      this.#nextBatch = index + 1;
      this.#nextSince = performance.now();
      const keys = plans.map(({ caseNumber }) => this.#parts.caseIds[caseNumber]);
      const epoch = Math.floor(index / this.epochLength);
      publish('voxfeed:batch', () => {
        const { config } = this.#ring.layout.configurations[configuration];
        return { stream: this.#parts.name, batch: index, epoch, config, samples: plans.length, fillMs: writtenAt - plannedAt, waitMs };
      });
      waiter.resolve({ index, epoch, entry, configuration, plans, foreground, keys });
    }
    this.#warnIfStuck();
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
    this.#count.start(since);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        this.#count.waitMs += performance.now() - since;
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
      if (this.#waiters.includes(waiter))
        publish('voxfeed:wait', () => {
          const held = this.#ring.heldEntries();
          return { stream: this.#parts.name, batch: this.#nextBatch + this.#waiters.length - 1, held, ring: this.#ring.size };
        });
    });
  }

  /** A consumer that keeps every batch waits for itself: say so once. */
  #warnIfStuck(): void {
    const stuck = this.#waiters.length > 0 && this.#prepared.length === 0 && this.#ring.freeEntries() === 0 && this.#count.batches > 0;
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

  /** What the ring's batches are at. */
  #occupancy(): StreamMetrics['ring'] {
    const ready = this.#prepared.filter(({ state }) => state === 'ready').length;
    const filling = this.#prepared.length - ready;
    return { batches: this.#ring.size, filling, ready, held: this.#ring.heldEntries(), waiting: this.#waiters.length };
  }

  metrics(): StreamMetrics {
    const since = this.#waiters.map((waiter) => waiter.since);
    return this.#count.metrics(this.#occupancy(), { since, copyMs: this.#waitsForCopies(this.#prepared[0]) });
  }
}

export function noValidation(): OptionError {
  return new OptionError('validation', 'the loader has no validation stream', 'Create it with `fold` and `validation: true`');
}

/** What streams end with when their loader is closed. */
export function closedError(): ClosedError {
  return new ClosedError('loader', 'it is closed', 'Create a new one; `state()` says where to continue');
}
