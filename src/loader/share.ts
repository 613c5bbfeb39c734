import { MessageChannel, MessagePort } from 'node:worker_threads';
import { expose, releaseProxy, wrap } from 'comlink/dist/esm/comlink.mjs';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { ClosedError, OptionError, type PackedError, pack, unpack } from '../common/errors.ts';
import { shown } from '../common/options.ts';
import type { Layout } from '../shared-memory/layout.ts';
import { Ring } from '../shared-memory/ring.ts';
import { checkEnd, checkPosition } from './arguments.ts';
import { Batch, type BatchStream, type BatchTicket, batchesUntil } from './batch.ts';
import { type Epoch, epochs } from './epochs.ts';
import type { PatchLoader } from './loader.ts';
import type { LoaderMetrics } from './metrics.ts';
import type { LoaderState } from './options/state.ts';
import { noValidation } from './stream.ts';

/** What the other thread may call, through Comlink. Errors travel as data, so that their fields survive. */
interface BatchService {
  describe(): { buffer: SharedArrayBuffer; layout: Layout; epochLengths: number[]; poison: boolean };
  /** Streams are counted as in `Layout.rings`: training, validation. */
  take(stream: number): Promise<{ ticket: BatchTicket } | { error: PackedError }>;
  nextBatch(stream: number): number;
  skipTo(stream: number, batch: number): void;
  state(): LoaderState;
  metrics(): LoaderMetrics;
}

/**
 * Opens a loader to another thread: send the port there (in `workerData` or a message, with a transfer list) and call
 * `connect(port)`. Batches go by as tickets of a few hundred bytes a sample; the voxels never move, and giving a batch back is an
 * atomic operation, no message. What the other thread still holds when it ends is taken back.
 * @example
 * ```ts
 * const port = share(loader);
 * new Worker(new URL('./consumer.ts', import.meta.url), { workerData: { port }, transferList: [port] });
 * ```
 */
export function share(loader: PatchLoader): MessagePort {
  if (typeof (loader as PatchLoader | undefined)?.shared !== 'function')
    throw new OptionError('loader', `${shown(loader)} is no loader`, 'Pass what `await PatchLoader.create(…)` gave');
  const { port1, port2 } = new MessageChannel();
  const memory = loader.shared();
  const streams: BatchStream[] = memory.layout.rings.map((_, number) => (number === 0 ? loader.training : loader.validation));
  const rings = streams.map((_, number) => new Ring(memory.buffer, memory.layout, number));
  const gone = new AbortController();
  /** Of each stream, the last batch given out of each ring entry. */
  const given = streams.map(() => new Map<number, number>());
  const service: BatchService = {
    describe: () => ({ ...memory, epochLengths: streams.map(({ epochLength }) => epochLength), poison: loader.poison }),
    take: async (stream) => {
      try {
        const ticket = await streams[stream].take(gone.signal);
        given[stream].set(ticket.entry, ticket.index);
        return { ticket };
      } catch (error) {
        return { error: pack(error) };
      }
    },
    nextBatch: (stream) => streams[stream].nextBatch,
    skipTo: (stream, batch) => streams[stream].skipTo(batch),
    state: () => loader.state(),
    metrics: () => loader.metrics(),
  };
  expose(service, nodeEndpoint(port1));
  // The other thread keeps the process alive, not the wire to it. It stays open when the loader closes: whoever asks is told.
  port1.unref();
  port1.on('close', () => {
    gone.abort(new ClosedError('shared loader', 'the other thread has gone', 'Share the loader again'));
    // The memory of a closed loader may be another's by now.
    if (loader.closed) return;
    for (const [stream, batches] of given.entries()) for (const [entry, batch] of batches) rings[stream].release(entry, batch);
  });
  return port2;
}

/** The wire to a shared loader, and what is to be settled when it is cut. */
class Connection {
  readonly service;
  closed: ClosedError | null = null;
  /** Whether batches that are disposed are overwritten. */
  poison = false;
  /** Who waits for an answer: told when the connection ends, because none will come. */
  readonly #waiting = new Set<(reason: Error) => void>();
  readonly #held = new Set<Batch>();
  readonly #port: MessagePort;

  constructor(port: MessagePort, service: ReturnType<typeof wrap<BatchService>>) {
    this.service = service;
    this.#port = port;
    port.on('close', () => this.#end());
  }

  /** What the other side answers. */
  ask<T>(question: () => Promise<T>): Promise<T> {
    if (this.closed) return Promise.reject(this.closed);
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      question()
        .then(resolve, reject)
        .finally(() => this.#waiting.delete(reject));
    });
  }

  take(ring: Ring, stream: number): Promise<Batch> {
    return this.ask(async () => {
      const answer = await this.service.take(stream);
      if ('error' in answer) throw unpack(answer.error);
      const batch = new Batch(ring, answer.ticket, this.poison, () => this.#held.delete(batch));
      this.#held.add(batch);
      return batch;
    });
  }

  #end(): void {
    this.closed ??= loaderClosed();
    for (const reject of this.#waiting) reject(this.closed);
    this.#waiting.clear();
  }

  close(): void {
    if (this.closed) return;
    this.#end();
    for (const batch of this.#held) batch.dispose();
    this.service[releaseProxy]();
    this.#port.close();
  }
}

/** A stream of a shared loader: the same batches, the same leases. As `BatchStream`, but for the way to the other thread. */
export interface SharedStream extends AsyncIterable<Batch> {
  readonly epochLength: number;
  readonly nextBatch: Promise<number>;
  skipTo(batch: number): Promise<void>;
  /** The next batch that nobody else has taken. @throws what `BatchStream.next` throws */
  next(): Promise<Batch>;
}

class PortStream implements SharedStream {
  readonly epochLength: number;
  readonly #connection: Connection;
  readonly #ring: Ring;
  readonly #number: number;

  constructor(connection: Connection, ring: Ring, number: number, epochLength: number) {
    this.epochLength = epochLength;
    this.#connection = connection;
    this.#ring = ring;
    this.#number = number;
  }

  next(): Promise<Batch> {
    return this.#connection.take(this.#ring, this.#number);
  }

  get nextBatch(): Promise<number> {
    return this.#connection.ask(() => this.#connection.service.nextBatch(this.#number));
  }

  async skipTo(batch: number): Promise<void> {
    // Here, as errors lose their fields on the way.
    checkPosition(batch);
    return this.#connection.ask(() => this.#connection.service.skipTo(this.#number, batch));
  }

  /** Endless; ends when the loader is closed. */
  [Symbol.asyncIterator](): AsyncIterator<Batch, undefined> {
    return batchesUntil(
      () => true,
      () => this.next(),
    );
  }
}

/** The loader, seen from another thread. */
export class SharedLoader implements AsyncDisposable, AsyncIterable<Batch> {
  readonly #connection: Connection;
  readonly #streams: SharedStream[];

  /** Reaches the loader behind a port made by `share`. @throws ClosedError if the port was cut; OptionError */
  static async connect(port: MessagePort): Promise<SharedLoader> {
    if (!(port instanceof MessagePort))
      throw new OptionError('port', `${shown(port)} is no MessagePort`, 'Pass what `share(loader)` gave, transferred to this thread');
    const service = wrap<BatchService>(nodeEndpoint(port));
    const connection = new Connection(port, service);
    const { buffer, layout, epochLengths, poison } = await connection.ask(() => service.describe());
    connection.poison = poison;
    return new SharedLoader(
      connection,
      epochLengths.map((length, number) => new PortStream(connection, new Ring(buffer, layout, number), number, length)),
    );
  }

  private constructor(connection: Connection, streams: SharedStream[]) {
    this.#connection = connection;
    this.#streams = streams;
  }

  /** The next training batch that nobody else has taken. @throws what `PatchLoader.next` throws */
  next(): Promise<Batch> {
    return this.training.next();
  }

  /** Endless; ends when the loader is closed. */
  [Symbol.asyncIterator](): AsyncIterator<Batch, undefined> {
    return this.training[Symbol.asyncIterator]();
  }

  /** The training stream: the batches that the loader itself gives. */
  get training(): SharedStream {
    return this.#streams[0];
  }

  /** @throws OptionError if the loader was created without a validation stream */
  get validation(): SharedStream {
    if (this.#streams.length > 1) return this.#streams[1];
    throw noValidation();
  }

  /** As `PatchLoader.epochs`, for the only consumer of both streams. */
  epochs(end = Number.POSITIVE_INFINITY): AsyncGenerator<Epoch, undefined> {
    checkEnd(end);
    return epochs(this.training, this.#streams[1] ?? null, end);
  }

  /** As `PatchLoader.state`. @throws ClosedError */
  state(): Promise<LoaderState> {
    return this.#connection.ask(() => this.#connection.service.state());
  }

  /** As `PatchLoader.metrics`. @throws ClosedError */
  metrics(): Promise<LoaderMetrics> {
    return this.#connection.ask(() => this.#connection.service.metrics());
  }

  /** Lets go of the loader; batches that are still held are disposed. */
  async close(): Promise<void> {
    this.#connection.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function loaderClosed(): ClosedError {
  return new ClosedError('shared loader', 'the loader it belongs to is closed', 'Share a new loader');
}

/**
 * Reaches the loader behind a port made by `share`.
 * @example
 * ```ts
 * await using loader = await connect(workerData.port);
 * for await (using batch of loader) train(batch.data, batch.targets);
 * ```
 * @throws ClosedError if the port was cut
 */
export function connect(port: MessagePort): Promise<SharedLoader> {
  return SharedLoader.connect(port);
}
