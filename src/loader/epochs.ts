import { ClosedError } from '../common/errors.ts';
import type { Batch } from './batch.ts';

/** A stream of batches, in this thread or another. */
export interface EpochStream {
  readonly epochLength: number;
  readonly nextBatch: number | Promise<number>;
  /** Leaves out the batches before `batch`. */
  skipTo(batch: number): void | Promise<void>;
  next(): Promise<Batch>;
}

/** One epoch: iterate over both parts, or only over what you want of them. */
export interface Epoch {
  /** Counted from 0. */
  readonly index: number;
  /** The epoch's training batches that nobody has taken yet. */
  readonly training: AsyncIterable<Batch>;
  /** Its validation batches; none where the loader has no validation stream. */
  readonly validation: AsyncIterable<Batch>;
}

/**
 * One epoch after the other, from the one the streams stand in. An epoch has the same batches whatever was taken of those before:
 * what is left of it when the next one is asked for is left out. Ends before epoch `end`, and when the loader is closed.
 */
export async function* epochs(training: EpochStream, validation: EpochStream | null, end: number): AsyncGenerator<Epoch, undefined> {
  const streams = validation === null ? [training] : [training, validation];
  let closed = false;
  const part = (stream: EpochStream | null, epoch: number): AsyncIterable<Batch> => ({
    async *[Symbol.asyncIterator]() {
      while (stream !== null && !closed && (await stream.nextBatch) < (epoch + 1) * stream.epochLength) {
        const batch = await stream.next().catch((error) => {
          if (!(error instanceof ClosedError)) throw error;
          closed = true;
        });
        if (batch) yield batch;
      }
    },
  });
  try {
    const standing = await Promise.all(streams.map(async (stream) => Math.floor((await stream.nextBatch) / stream.epochLength)));
    for (let index = Math.min(...standing); index < end && !closed; index++) {
      for (const stream of streams) await stream.skipTo(index * stream.epochLength);
      yield { index, training: part(training, index), validation: part(validation, index) };
    }
  } catch (error) {
    if (!(error instanceof ClosedError)) throw error;
  }
}
