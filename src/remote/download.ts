import { setTimeout as pause } from 'node:timers/promises';
import { FileError, StoreError, VoxfeedError } from '../common/errors.ts';
import { Digest } from '../common/hash.ts';
import { type Incoming, type Origin, PassingError, reasonOf, UPLOAD } from './origin.ts';

/** What a file is to be, as far as that is known. */
export interface Expected {
  bytes: number | null;
  xxh64: string | null;
}

/** How often, and how long, a file is tried for. */
export interface Patience {
  /** Requests in a row that brought nothing. */
  tries: number;
  /** Before the second one; twice as long before each that follows. */
  pauseMs: number;
  /** Without a byte: the request is given up, and sent again. */
  silentMs: number;
}

export const PATIENT: Patience = { tries: 6, pauseMs: 500, silentMs: 30_000 };
/** However often it failed before. */
const LONGEST_PAUSE_MS = 30_000;

/** Takes a part of a file, and where in it that belongs. What comes again from 0 replaces what came before. */
export type Sink = (part: Uint8Array, at: number) => Promise<void> | void;

/**
 * Gets a file, whole, in order. What fails on the way is tried again, and goes on where it stopped if the file is still the same.
 * @throws StoreError for a file that is missing, changed while it was read, or is not what was expected; FileError for one that cannot be had
 */
export async function download(
  origin: Origin,
  name: string,
  { bytes, xxh64 }: Expected,
  sink: Sink,
  signal: AbortSignal,
  patience: Patience = PATIENT,
): Promise<void> {
  const place = origin.place(name);
  const wrongSize = (found: number): StoreError => new StoreError(place, `it holds ${found} bytes instead of ${bytes}`, UPLOAD);
  let digest = await Digest.create();
  let at = 0;
  let etag: string | null = null;
  let failures = 0;

  const attempt = async (): Promise<void> => {
    using silence = new Silence(patience.silentMs, signal);
    const incoming = await silence.during(origin.open(name, at, silence.signal));
    if (at > 0 && incoming.etag !== etag) throw new StoreError(place, 'it was changed while it was read', 'Open the store again');
    etag = incoming.etag;
    if (incoming.from !== at) {
      if (incoming.from !== 0) throw new PassingError(`the server answers from byte ${incoming.from} on, where ${at} was asked for`);
      at = 0;
      digest = await Digest.create();
    }
    const whole = incoming.bytes ?? bytes;
    if (bytes !== null && whole !== bytes) throw wrongSize(whole as number);
    for await (const part of parts(incoming, silence)) {
      if (bytes !== null && at + part.length > bytes) throw wrongSize(at + part.length);
      digest.update(part);
      await sink(part, at);
      at += part.length;
    }
    if (whole !== null && at < whole) throw new PassingError(`the connection ended after ${at} of ${whole} bytes`);
  };

  for (;;) {
    const before = at;
    try {
      await attempt();
      break;
    } catch (error) {
      if (!(error instanceof PassingError)) throw error;
      failures = at > before ? 1 : failures + 1;
      if (failures >= patience.tries)
        throw new FileError(
          place,
          `it cannot be had: ${error.message}, ${failures === 1 ? 'once' : `${failures} times`}`,
          'Check the connection and the server, then go on from the last state',
          { cause: error },
        );
      await pause(Math.max(error.pauseMs, pauseAfter(failures, patience.pauseMs)), undefined, { signal });
    }
  }
  if (xxh64 !== null && digest.hex() !== xxh64) throw new StoreError(place, 'its contents are not those that the index lists', UPLOAD);
}

/** The same, into memory: for small files. */
export async function downloadText(origin: Origin, name: string, expected: Expected, signal: AbortSignal, patience?: Patience) {
  let parts: Uint8Array[] = [];
  const take: Sink = (part, at) => {
    if (at === 0) parts = [];
    parts.push(Uint8Array.from(part));
  };
  await download(origin, name, expected, take, signal, patience);
  return Buffer.concat(parts);
}

/** Twice as long each time; at random, so that many who failed at once do not come back at once. */
function pauseAfter(failures: number, firstMs: number): number {
  return Math.min(LONGEST_PAUSE_MS, firstMs * 2 ** (failures - 1)) * (0.5 + Math.random() / 2);
}

/** Whatever else goes wrong on the way may be better the next time. */
async function* parts({ body }: Incoming, silence: Silence): AsyncGenerator<Uint8Array> {
  const iterator = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await silence.during(iterator.next());
      if (done) return;
      yield value;
    }
  } finally {
    // Nobody waits for it: a connection that hangs would never answer.
    void Promise.resolve(iterator.return?.()).catch(() => {});
  }
}

/** Ends a request that has been silent for too long, or that nobody wants any more. */
class Silence implements Disposable {
  readonly signal: AbortSignal;
  readonly #own = new AbortController();
  readonly #ms: number;
  readonly #outer: AbortSignal;

  constructor(ms: number, outer: AbortSignal) {
    this.#ms = ms;
    this.#outer = outer;
    this.signal = AbortSignal.any([outer, this.#own.signal]);
  }

  /** What is waited for, unless it takes too long. */
  async during<T>(awaited: Promise<T>): Promise<T> {
    const ended = Promise.withResolvers<never>();
    const end = (): void => ended.reject(this.#outer.reason);
    const timer = setTimeout(() => {
      ended.reject(new PassingError(`nothing came for ${this.#ms / 1000} s`));
      this.#own.abort();
    }, this.#ms);
    this.#outer.addEventListener('abort', end, { once: true });
    try {
      this.#outer.throwIfAborted();
      return await Promise.race([awaited, ended.promise]);
    } catch (error) {
      this.#outer.throwIfAborted();
      throw error instanceof VoxfeedError || error instanceof PassingError ? error : new PassingError(reasonOf(error), 0, { cause: error });
    } finally {
      clearTimeout(timer);
      this.#outer.removeEventListener('abort', end);
      awaited.catch(() => {});
    }
  }

  [Symbol.dispose](): void {
    this.#own.abort();
  }
}
