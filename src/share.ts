import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { expose, releaseProxy, wrap } from 'comlink/dist/esm/comlink.mjs';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { Batch, type BatchTicket, batchesUntil } from './batch.ts';
import { ClosedError, type PackedError, pack, unpack } from './errors.ts';
import type { PatchLoader } from './loader.ts';
import type { LoaderMetrics } from './observability/metrics.ts';
import type { Layout } from './shared-memory/layout.ts';
import { Ring } from './shared-memory/ring.ts';
import type { LoaderState } from './state.ts';

/** What the other thread may call, through Comlink. Errors travel as data, so that their fields survive. */
interface BatchService {
  describe(): { buffer: SharedArrayBuffer; layout: Layout; patchSize: number[] };
  take(): Promise<{ ticket: BatchTicket } | { error: PackedError }>;
  state(): LoaderState;
  metrics(): LoaderMetrics;
}

/**
 * Opens a loader to another thread: send the port there (in `workerData` or a message, with a transfer list) and call
 * `connect(port)`. Batches go by as tickets of a few hundred bytes; the voxels never move, and giving a batch back is an atomic
 * operation, no message. What the other thread still holds when it ends is taken back.
 */
export function share(loader: PatchLoader): MessagePort {
  const { port1, port2 } = new MessageChannel();
  const memory = loader.shared();
  const ring = new Ring(memory.buffer, memory.layout);
  const gone = new AbortController();
  /** The last batch given out of each ring entry. */
  const given = new Map<number, number>();
  const service: BatchService = {
    describe: () => memory,
    take: async () => {
      try {
        const ticket = await loader.take(gone.signal);
        given.set(ticket.entry, ticket.index);
        return { ticket };
      } catch (error) {
        return { error: pack(error) };
      }
    },
    state: () => loader.state(),
    metrics: () => loader.metrics(),
  };
  expose(service, nodeEndpoint(port1));
  // The other thread keeps the process alive, not the wire to it. It stays open when the loader closes: whoever asks is told.
  port1.unref();
  port1.on('close', () => {
    gone.abort(new ClosedError('shared loader', 'the other thread has gone', 'Share the loader again'));
    for (const [entry, batch] of given) ring.release(entry, batch);
  });
  return port2;
}

/** The loader, seen from another thread: the same batches, the same leases. */
export class SharedLoader implements AsyncDisposable, AsyncIterable<Batch> {
  readonly #port: MessagePort;
  readonly #service;
  readonly #ring: Ring;
  readonly #patchSize: number[];
  #closed: ClosedError | null = null;
  /** Who waits for a batch: told when the connection ends, because no answer will come. */
  readonly #waiting = new Set<(reason: Error) => void>();
  readonly #held = new Set<Batch>();

  /** Reaches the loader behind a port made by `share`. */
  static async connect(port: MessagePort): Promise<SharedLoader> {
    const service = wrap<BatchService>(nodeEndpoint(port));
    const { buffer, layout, patchSize } = await service.describe();
    return new SharedLoader(port, service, new Ring(buffer, layout), patchSize);
  }

  private constructor(port: MessagePort, service: ReturnType<typeof wrap<BatchService>>, ring: Ring, patchSize: number[]) {
    this.#port = port;
    this.#service = service;
    this.#ring = ring;
    this.#patchSize = patchSize;
    port.on('close', () => this.#end());
  }

  /** The next batch that nobody else has taken. @throws what `PatchLoader.next` throws */
  next(): Promise<Batch> {
    if (this.#closed) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      this.#service
        .take()
        .then((answer) => {
          if ('error' in answer) throw unpack(answer.error);
          const batch = new Batch(this.#ring, answer.ticket, this.#patchSize, () => this.#held.delete(batch));
          this.#held.add(batch);
          resolve(batch);
        })
        .catch(reject)
        .finally(() => this.#waiting.delete(reject));
    });
  }

  /** Endless; ends when the loader is closed. */
  [Symbol.asyncIterator](): AsyncIterator<Batch, undefined> {
    return batchesUntil(
      () => true,
      () => this.next(),
    );
  }

  state(): Promise<LoaderState> {
    return this.#service.state();
  }

  metrics(): Promise<LoaderMetrics> {
    return this.#service.metrics();
  }

  #end(): void {
    this.#closed ??= loaderClosed();
    for (const reject of this.#waiting) reject(this.#closed);
    this.#waiting.clear();
  }

  /** Lets go of the loader; batches that are still held are disposed. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#end();
    for (const batch of this.#held) batch.dispose();
    this.#service[releaseProxy]();
    this.#port.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function loaderClosed(): ClosedError {
  return new ClosedError('shared loader', 'the loader it belongs to is closed', 'Share a new loader');
}

/** Reaches the loader behind a port made by `share`. */
export function connect(port: MessagePort): Promise<SharedLoader> {
  return SharedLoader.connect(port);
}
