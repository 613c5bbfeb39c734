import { ClosedError } from './errors.ts';
import type { SlotPlan } from './sampling/slot-plan.ts';
import type { Ring } from './shared-memory/ring.ts';

/** A batch as plain data: what travels between threads. The voxels stay where they are. */
export interface BatchTicket {
  /** Position in the stream, counted from 0. */
  index: number;
  /** Where it lies in the ring. */
  entry: number;
  /** Case identifiers, one a sample. */
  keys: string[];
  plans: SlotPlan[];
  /** Per sample: whether its target holds any foreground. */
  foreground: boolean[];
}

/**
 * A lease on one finished batch. `data` and `target` are views on shared memory: nothing is copied, and once the batch is
 * disposed the memory belongs to a later one. `using batch = …` disposes it at the end of the block.
 */
export class Batch implements Disposable {
  readonly index: number;
  readonly keys: readonly string[];
  readonly plans: readonly SlotPlan[];
  readonly foreground: readonly boolean[];
  /** [B, C, z, y, x], or [B, C, y, x] for 2D patches; in a cascade one more channel for each label of the previous stage. */
  readonly dataShape: readonly number[];
  /** [B, 1, z, y, x], or [B, 1, y, x]; one channel a region where the data set has regions. */
  readonly targetShape: readonly number[];
  /** Of each target: the first is `targetShape`, the others are coarser (deep supervision). */
  readonly targetShapes: readonly (readonly number[])[];
  readonly #ring: Ring;
  readonly #entry: number;
  readonly #onDispose: () => void;
  #held = true;

  constructor(ring: Ring, ticket: BatchTicket, patchSize: readonly number[], onDispose: () => void = () => {}) {
    this.#onDispose = onDispose;
    this.index = ticket.index;
    this.keys = ticket.keys;
    this.plans = ticket.plans;
    this.foreground = ticket.foreground;
    const { channels, cascadeChannels = 0 } = ring.layout;
    this.dataShape = [ring.layout.batchSize, channels + cascadeChannels, ...patchSize];
    const { batchSize, targets, targetChannels } = ring.layout;
    this.targetShapes = targets.map((shape) => [batchSize, targetChannels, ...shape.slice(-patchSize.length)]);
    [this.targetShape] = this.targetShapes;
    this.#ring = ring;
    this.#entry = ticket.entry;
  }

  /** float32 images, `dataShape`, C order. @throws ClosedError after disposal */
  get data(): Float32Array<SharedArrayBuffer> {
    this.#mustBeHeld();
    return this.#ring.data(this.#entry);
  }

  /**
   * int16 labels, `targetShape`, C order; -1 outside the volume or its nonzero region, unless augmentation makes that 0.
   * @throws ClosedError after disposal
   */
  get target(): Int16Array<SharedArrayBuffer> {
    this.#mustBeHeld();
    return this.#ring.target(this.#entry, 0);
  }

  /** Every target, `targetShapes`: the labels, then those of deep supervision. @throws ClosedError after disposal */
  get targets(): Int16Array<SharedArrayBuffer>[] {
    this.#mustBeHeld();
    return this.targetShapes.map((_, target) => this.#ring.target(this.#entry, target));
  }

  /** Gives the memory back. Doing it twice does nothing. */
  [Symbol.dispose](): void {
    if (!this.#held) return;
    this.#held = false;
    this.#ring.release(this.#entry, this.index);
    this.#onDispose();
  }

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
