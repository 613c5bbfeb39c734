import { OptionError, pack, VoxfeedError } from '../common/errors.ts';
import type { BatchStream } from '../loader/batch.ts';
import { PatchLoader } from '../loader/loader.ts';
import { version } from '../measuring/environment.ts';
import type { EntryLayout } from '../shared-memory/layout.ts';
import { openStore } from '../store/store.ts';
import type { Channel } from './channel.ts';
import { type OpenRequest, type Part, PROTOCOL, type Pushed, type Ready, type Request } from './protocol.ts';
import { COPIED_SLOTS, copiedSlots, mappedSlots, type StreamSlots } from './slots.ts';

/** The two sides speak different versions of the protocol, or one of them something else. */
export class ProtocolError extends VoxfeedError {
  static override readonly code = 'VOXFEED_PROTOCOL';
}

const STREAMS = ['training', 'validation'] as const;

/**
 * A loader for another process: batches go into a memory that both have, as far ahead as there is room, and messages say where they
 * are. It answers what `Request` has; docs/serve.md tells the whole story.
 */
export class Session {
  readonly #channel: Channel;
  readonly #memory: number;
  #loader: PatchLoader | null = null;
  #slots: StreamSlots[] = [];
  #opened = false;

  /** @param memory descriptor of the memory, a file of any kind */
  constructor(channel: Channel, memory: number) {
    this.#channel = channel;
    this.#memory = memory;
    channel.listen(
      (request) => void this.#answer(request),
      (line) => this.#refuse(`a line was no JSON: ${line.slice(0, 80)}`),
    );
  }

  async #answer(request: Request): Promise<void> {
    const id = 'id' in request ? request.id : undefined;
    try {
      if (request.op === 'open') return await this.#open(request);
      if (request.op === 'close') return await this.close();
      if (this.#loader === null) throw new ProtocolError(String(request.op), 'nothing is open', 'Begin with `open`');
      const loader = this.#loader;
      if (request.op === 'release') {
        if (!this.#slots.some((slots) => slots.release(request.slot)))
          throw new ProtocolError('release', `slot ${request.slot} holds no batch`, 'Release each batch once');
      } else if (request.op === 'skip') {
        if (!(request.stream in this.#slots))
          throw new ProtocolError('skip', `there is no stream ${request.stream}`, 'See `ready.streams`');
        streamsOf(loader)[request.stream].skipTo(request.batch);
      } else if (request.op === 'state') this.#channel.send({ id: request.id, state: loader.state(request.at) });
      else if (request.op === 'metrics') this.#channel.send({ id: request.id, metrics: metricsOf(loader) });
      else this.#refuse(`there is no request ${JSON.stringify((request as { op?: unknown }).op)}`);
    } catch (error) {
      this.#channel.send(id === undefined ? { failed: { error: pack(error) } } : { id, error: pack(error) });
    }
  }

  #refuse(what: string): void {
    const error = new ProtocolError('message', what, 'Both sides must be of the same version of voxfeed');
    this.#channel.send({ failed: { error: pack(error) } });
  }

  async #open(request: OpenRequest): Promise<void> {
    const { protocol, store, options = {}, state, start = {}, slots = {}, map = false } = request;
    if (protocol !== PROTOCOL)
      throw new ProtocolError(
        'protocol',
        `the other side speaks version ${protocol}, this is voxfeed ${version()} with version ${PROTOCOL}`,
        'Install the same version of voxfeed on both sides',
      );
    if (this.#opened) throw new ProtocolError('open', 'a loader is open already', 'Start another process for another loader');
    this.#opened = true;
    const known = ['training', 'validation'];
    for (const [name, value] of Object.entries({ ...start, ...slots }))
      if (!known.includes(name) || !Number.isSafeInteger(value) || value < 0)
        throw new OptionError(name, `${JSON.stringify(value)} is no number of batches`, 'Give whole numbers for training and validation');
    const opened = await openStore(store);
    const loader = await PatchLoader.create(
      { store: opened, ...options, ...(state && { state }) } as never,
      undefined,
      map ? this.#memory : null,
    );
    this.#loader = loader;
    const { layout, notMapped } = loader.shared();
    const streams = streamsOf(loader);
    for (const [number, stream] of streams.entries()) stream.skipTo(start[STREAMS[number]] ?? 0);
    const counts = streams.map((_, number) => Math.max(1, slots[STREAMS[number]] ?? COPIED_SLOTS));
    const room = notMapped === null ? mappedSlots(loader) : copiedSlots(loader, this.#memory, counts);
    this.#slots = room.streams;
    const ready: Ready = {
      protocol: PROTOCOL,
      version: version(),
      copied: notMapped,
      bytes: room.bytes,
      slotBytes: layout.entryBytes,
      configurations: layout.configurations.map((entry) => describe(entry, layout.channels + (layout.cascadeChannels ?? 0))),
      streams: streams.map(({ nextBatch, epochLength }, number) => ({
        name: STREAMS[number],
        slots: room.streams[number].count,
        nextBatch,
        epochLength,
      })),
      memory: loader.memory(),
      state: loader.state(),
    };
    this.#channel.send({ ready });
    for (const [number, stream] of streams.entries()) void this.#pump(number, stream);
  }

  /** Pushes the batches of a stream as long as there are any, never more than there is room for. */
  async #pump(number: number, stream: BatchStream): Promise<void> {
    const slots = this.#slots[number];
    try {
      for (;;) {
        await slots.vacancy();
        const ticket = await stream.take();
        const { index, epoch, configuration, keys, plans, foreground } = ticket;
        const slot = await slots.put(ticket);
        const samples = plans.map(({ sample }) => sample);
        const batch: Pushed = { stream: number, slot, configuration, index, epoch, keys, samples, foreground };
        this.#channel.send({ batch });
      }
    } catch (error) {
      this.#channel.send({ failed: { stream: number, error: pack(error) } });
    }
  }

  /** Ends the loader, then the conversation. */
  async close(): Promise<void> {
    const loader = this.#loader;
    this.#loader = null;
    await loader?.close();
    this.#channel.end();
  }
}

function streamsOf(loader: PatchLoader): BatchStream[] {
  return loader.shared().layout.rings.map((_, number) => loader[STREAMS[number]]);
}

function metricsOf(loader: PatchLoader): object {
  const [, validation] = streamsOf(loader);
  const { user, system } = process.cpuUsage();
  return {
    training: loader.metrics(),
    ...(validation && { validation: validation.metrics() }),
    process: { cpuMs: (user + system) / 1000, rssBytes: process.memoryUsage.rss() },
  };
}

/** Where the parts of a batch of one configuration are. */
function describe(entry: EntryLayout, channels: number): Ready['configurations'][number] {
  const { config, batchSize, patchSize, targets, targetOffsets, targetChannels, targetType } = entry;
  const part = (dtype: Part['dtype'], of: number, shape: readonly number[], offset: number): Part => ({
    dtype,
    shape: [batchSize, of, ...shape.slice(-patchSize.length)],
    offset,
  });
  return {
    config,
    data: part('float32', channels, patchSize, 0),
    targets: targets.map((shape, target) => part(targetType, targetChannels, shape, targetOffsets[target])),
  };
}
