import { LRUCache } from 'lru-cache';
import { OptionError } from '../common/errors.ts';
import { prepareOptions } from '../loader/options/prepare.ts';
import type { ResolvedConfiguration, ResolvedStream } from '../loader/options/streams.ts';
import { Replayer } from '../loader/replayer.ts';
import { noValidation } from '../loader/stream.ts';
import type { Store } from '../store/store.ts';
import type { StreamOptions } from './settings.ts';

/** A configuration of a stream, ready to make samples of. */
export interface OpenConfiguration {
  options: ResolvedConfiguration;
  replayer: Replayer;
}

/** A stream, ready to make any of its samples. */
export class OpenStream {
  readonly configurations: OpenConfiguration[];
  readonly #stream: ResolvedStream;

  constructor(stream: ResolvedStream) {
    this.#stream = stream;
    this.configurations = stream.configurations.map((options) => ({ options, replayer: new Replayer(options) }));
  }

  /** The configuration of a batch, and which of its own batches it is. */
  at(batch: number): OpenConfiguration & { index: number } {
    const { configuration, index } = this.#stream.mix.at(batch);
    return { ...this.configurations[configuration], index };
  }

  /** @param name null: the only one. @throws OptionError where there is none of that name */
  named(name: string | null): OpenConfiguration {
    const found = this.configurations.find(({ options }) => name === null || options.config === name);
    if (found) return found;
    throw new OptionError('config', `the stream has no configuration ${name}`, 'Take one of its own');
  }
}

/** The streams that were asked for last: exposures take a second to prepare. */
export class OpenStreams {
  readonly #store: Store;
  readonly #open = new LRUCache<string, OpenStream>({ max: 4 });

  constructor(store: Store) {
    this.#store = store;
  }

  /** The stream that `--validation` chooses. @throws what a loader with these options throws */
  async get(options: StreamOptions): Promise<OpenStream> {
    const key = JSON.stringify(options);
    const known = this.#open.get(key);
    if (known) return known;
    const { streams } = await prepareOptions({ ...options, store: this.#store });
    const asked = options.validation ? streams.validation : streams.training;
    if (asked === null) throw noValidation();
    const opened = new OpenStream(asked);
    this.#open.set(key, opened);
    return opened;
  }
}
