import { LRUCache } from 'lru-cache';
import { recipeOf } from '../augmentation/recipe.ts';
import { ClosedError } from '../common/errors.ts';
import { voxels } from '../common/geometry.ts';
import { hasher } from '../common/hash.ts';
import type { Batch, BatchStream } from '../loader/batch.ts';
import { PatchLoader } from '../loader/loader.ts';
import { prepareOptions } from '../loader/options/prepare.ts';
import type { ResolvedConfiguration } from '../loader/options/streams.ts';
import type { Store } from '../store/store.ts';
import { makeCard } from './cards.ts';
import type { BatchFacts } from './facts.ts';
import type { Packet } from './packet.ts';
import { Seen } from './seen.ts';
import type { StreamOptions } from './settings.ts';

/** Batches that are kept as the page saw them: stepping back to one costs nothing. */
const KEPT = 32;
/** Of the batches of a measurement one in so many is looked through for classes: it costs what is being measured. */
const COUNTED = 10;
/** Without a question for so long, nobody looks at the charts any more. */
const IDLE_MS = 3000;

/** A loader as a training would have it, with what the page asked for last. */
interface Running {
  key: string;
  loader: PatchLoader;
  stream: BatchStream;
  configurations: ResolvedConfiguration[];
  seen: Seen;
}

/** The one loader that runs for the page. Other settings end it and start another. */
export class Live implements AsyncDisposable {
  readonly #store: Store;
  readonly #replay: (options: StreamOptions, batch: number, channel: number) => Promise<Packet>;
  readonly #kept = new LRUCache<string, Packet>({ max: KEPT });
  #running: Running | null = null;
  #ended = false;
  /** Questions come one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #pump: { askedAt: number; stepMs: number } | null = null;

  /** @param replay makes a batch that has passed */
  constructor(store: Store, replay: (options: StreamOptions, batch: number, channel: number) => Promise<Packet>) {
    this.#store = store;
    this.#replay = replay;
  }

  /** A batch: as it comes from the loader where it is still to come, else made again. @throws what a loader with these options throws */
  batch(options: StreamOptions, batch: number, channel: number): Promise<Packet> {
    return this.#inTurn(async () => {
      const running = await this.#open(options);
      const key = `${running.key} ${batch} ${channel}`;
      const known = this.#kept.get(key);
      if (known) return known;
      const packet =
        batch < running.stream.nextBatch || this.#pump !== null
          ? await this.#replay(options, batch, channel)
          : await this.#next(running, batch, channel);
      this.#kept.set(key, packet);
      return packet;
    });
  }

  async #next({ stream, configurations, seen }: Running, number: number, channel: number): Promise<Packet> {
    stream.skipTo(number);
    using batch = await stream.next();
    seen.add(batch);
    const options = configurations.find(({ config }) => config === batch.config) ?? configurations[0];
    const { steps } = recipeOf(options).pipeline;
    const context = { store: this.#store, config: batch.config, patch: options.patch, steps, channel, checksum: await hasher() };
    const made = samplesOf(batch).map((sample) => makeCard(sample, context));
    const facts: BatchFacts = { batch: number, config: batch.config, cards: made.map(({ card }) => card), live: true };
    return { facts, arrays: Object.assign({}, ...made.map(({ arrays }) => arrays)) };
  }

  /** The loader with these options, while the stream is consumed as a trainer would whose steps take so long. */
  running(options: StreamOptions, stepMs: number | null): Promise<{ loader: PatchLoader; nextBatch: number }> {
    return this.#inTurn(async () => {
      const running = await this.#open(options);
      if (stepMs !== null) this.#consume(running, stepMs);
      return { loader: running.loader, nextBatch: running.stream.nextBatch };
    });
  }

  /** What the patches so far held; null where no loader with these options runs. */
  seen(options: StreamOptions): { patches: number; holding: number[] } | null {
    const seen = this.#running?.key === keyOf(options) ? this.#running.seen : null;
    return seen && { patches: seen.patches, holding: seen.holding() };
  }

  #consume(running: Running, stepMs: number): void {
    const askedAt = performance.now();
    if (this.#pump !== null) {
      Object.assign(this.#pump, { askedAt, stepMs });
      return;
    }
    const pump = { askedAt, stepMs };
    this.#pump = pump;
    const consume = async (): Promise<void> => {
      while (this.#running === running && performance.now() - pump.askedAt < IDLE_MS) {
        using batch = await running.stream.next();
        if (batch.index % COUNTED === 0) running.seen.add(batch);
        await new Promise((resolve) => setTimeout(resolve, pump.stepMs));
      }
    };
    // A loader that was closed or failed says why when it is asked next.
    consume()
      .catch(() => {})
      .finally(() => {
        this.#pump = null;
      });
  }

  async #open(options: StreamOptions): Promise<Running> {
    if (this.#ended) throw new ClosedError('view', 'the page is closed', 'Open another one');
    const key = keyOf(options);
    if (this.#running?.key === key && !this.#running.loader.closed) return this.#running;
    const { streams } = await prepareOptions({ ...options, store: this.#store });
    await this.#close();
    const loader = await PatchLoader.create({ ...options, store: this.#store });
    const { configurations } = (options.validation && streams.validation) || streams.training;
    const stream = options.validation ? loader.validation : loader.training;
    this.#running = { key, loader, stream, configurations, seen: new Seen(this.#store.classes) };
    return this.#running;
  }

  async #close(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    await running?.loader.close();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => {});
    return done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Whoever waits for a batch waits no longer, and what is asked in turn finds no other loader.
    this.#ended = true;
    void this.#running?.loader.close();
    await this.#inTurn(() => this.#close());
  }
}

const keyOf = (options: StreamOptions): string => JSON.stringify(options);

/** Views on the batch, one a sample. */
function samplesOf({ data, target, dataShape, targetShape, plans }: Batch) {
  const [size, targetSize] = [voxels(dataShape.slice(1)), voxels(targetShape.slice(1))];
  return plans.map((plan, slot) => ({
    plan,
    data: data.subarray(slot * size, (slot + 1) * size),
    target: target.subarray(slot * targetSize, (slot + 1) * targetSize),
    targetChannels: targetShape[1],
  }));
}
