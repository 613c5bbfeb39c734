import { ClosedError } from '../common/errors.ts';
import type { SlotPlan } from '../sampling/slot-plan.ts';
import type { Ring } from '../shared-memory/ring.ts';
import type { TargetArray } from '../shared-memory/target-array.ts';
import type { StreamMetrics } from './metrics.ts';

/** A batch as plain data: what travels between threads. The voxels stay where they are. */
export interface BatchTicket {
  /** Position in the stream, counted from 0. */
  index: number;
  /** Where it lies in the ring. */
  entry: number;
  /** A position in `Layout.configurations`. */
  configuration: number;
  epoch: number;
  /** Case identifiers, one a sample. */
  keys: string[];
  plans: SlotPlan[];
  /** Per sample: whether its target holds any foreground. The ignore label is none. */
  foreground: boolean[];
}

/** No label has it; in masks of bytes it is 0. */
const POISON = -32768;

/**
 * A lease on one finished batch. `data` and `target` are views on shared memory: nothing is copied, and once the batch is
 * disposed the memory belongs to a later one. `using batch = …` disposes it at the end of the block. Views that are kept longer show NaN and
 * -32768, then another batch; where NODE_ENV is 'production', or with `poison: false`, another batch only.
 */
export class Batch implements Disposable {
  /** Position in its stream, counted from 0. */
  readonly index: number;
  /** The epoch it belongs to, counted from 0. */
  readonly epoch: number;
  /** The configuration it has: as the plans call it, or its patch size where that was given alone. */
  readonly config: string;
  /** The case of each sample. */
  readonly keys: readonly string[];
  /** What decided each sample: enough to make it again, see `replay`. */
  readonly plans: readonly SlotPlan[];
  /** Whether the target of each sample holds any foreground. The ignore label is none. */
  readonly foreground: readonly boolean[];
  /** [B, C, z, y, x], or [B, C, y, x] for 2D patches; in a cascade one more channel for each label of the previous stage. */
  readonly dataShape: readonly number[];
  /** [B, 1, z, y, x], or [B, 1, y, x]; one channel a region where the data set has regions. */
  readonly targetShape: readonly number[];
  /** Of each target: the first is `targetShape`, the others are coarser (deep supervision). */
  readonly targetShapes: readonly (readonly number[])[];
  readonly #ring: Ring;
  readonly #ticket: BatchTicket;
  readonly #poison: boolean;
  readonly #onDispose: () => void;
  #held = true;

  /** @internal @param poison see the loader's option */
  constructor(ring: Ring, ticket: BatchTicket, poison: boolean, onDispose: () => void = () => {}) {
    const { channels, cascadeChannels = 0, configurations } = ring.layout;
    const { config, batchSize, patchSize, targets, targetChannels } = configurations[ticket.configuration];
    this.#poison = poison;
    this.#onDispose = onDispose;
    this.index = ticket.index;
    this.epoch = ticket.epoch;
    this.config = config;
    this.keys = ticket.keys;
    this.plans = ticket.plans;
    this.foreground = ticket.foreground;
    this.dataShape = [batchSize, channels + cascadeChannels, ...patchSize];
    this.targetShapes = targets.map((shape) => [batchSize, targetChannels, ...shape.slice(-patchSize.length)]);
    [this.targetShape] = this.targetShapes;
    this.#ring = ring;
    this.#ticket = ticket;
  }

  /** float32 images, `dataShape`, C order. @throws ClosedError after disposal */
  get data(): Float32Array<SharedArrayBuffer> {
    this.#mustBeHeld();
    return this.#ring.data(this.#ticket.entry, this.#ticket.configuration);
  }

  /**
   * int16 labels, `targetShape`, C order; -1 outside the volume or its nonzero region, unless augmentation makes that 0. Masks of regions
   * are 0 and 1, in int16 or, with `targetType: 'bool'`, in a Uint8Array.
   * @throws ClosedError after disposal
   */
  get target(): TargetArray<SharedArrayBuffer> {
    this.#mustBeHeld();
    return this.#target(0);
  }

  /** Every target, `targetShapes`: the labels, then those of deep supervision. @throws ClosedError after disposal */
  get targets(): TargetArray<SharedArrayBuffer>[] {
    this.#mustBeHeld();
    return this.targetShapes.map((_, target) => this.#target(target));
  }

  #target(target: number): TargetArray<SharedArrayBuffer> {
    return this.#ring.target(this.#ticket.entry, this.#ticket.configuration, target);
  }

  /** Gives the memory back. Doing it twice does nothing. */
  [Symbol.dispose](): void {
    if (!this.#held) return;
    if (this.#poison) this.#spoil();
    this.#held = false;
    this.#ring.release(this.#ticket.entry, this.index);
    this.#onDispose();
  }

  /** While it is held: from then on somebody else may write there. */
  #spoil(): void {
    this.data.fill(Number.NaN);
    for (const target of this.targets) target.fill(POISON);
  }

  /** The same, for code without `using`. */
  dispose(): void {
    this[Symbol.dispose]();
  }

  #mustBeHeld(): void {
    if (!this.#held)
      throw new ClosedError(
        `batch ${this.index}`,
        'it was disposed, its memory belongs to a later batch',
        'Copy what you need before the end of the `using` block',
      );
  }
}

/** A stream of batches as its consumer sees it. Endless; iterating ends without an error when the loader is closed. */
export interface BatchStream extends AsyncIterable<Batch> {
  /** Batches of an epoch, see `PatchLoader.epochs`. */
  readonly epochLength: number;
  /** The batch that `next` gives, counted from 0. */
  readonly nextBatch: number;
  /**
   * Leaves out the batches before `batch`: the next one is that. It costs at most the batches that were made already.
   * @throws OptionError unless it is a whole number from 0
   */
  skipTo(batch: number): void;
  /**
   * The next batch, in plan order. Dispose it when done. An aborted call takes no batch: the next call gets it.
   * @throws the signal's reason; ClosedError after the loader is closed; SampleError, StoreError or WorkerError if the stream
   * cannot go on.
   */
  next(options?: { signal?: AbortSignal }): Promise<Batch>;
  /** `next` as plain data, for a consumer in another thread (see `share`). The batch is leased all the same. */
  take(signal?: AbortSignal): Promise<BatchTicket>;
  /** What the stream gave so far. */
  metrics(): StreamMetrics;
}

/** Batches one after the other, without end; a ClosedError ends the iteration in good order if `closed` says it was meant. */
export function batchesUntil(closed: () => boolean, next: () => Promise<Batch>): AsyncIterator<Batch, undefined> {
  return {
    next: async () => {
      try {
        return { done: false, value: await next() };
      } catch (error) {
        if (error instanceof ClosedError && closed()) return { done: true, value: undefined };
        throw error;
      }
    },
  };
}
