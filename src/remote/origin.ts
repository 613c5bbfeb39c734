import { StoreError } from '../common/errors.ts';

/** A file that begins to come. */
export interface Incoming {
  /** Tells one state of the file from the next; null where nobody says. */
  etag: string | null;
  /** Where in the file `body` begins: 0 where a server gives whole files only. */
  from: number;
  /** Of the whole file; null where nobody says. */
  bytes: number | null;
  body: AsyncIterable<Uint8Array>;
}

/** Where the files of a store come from: a folder, or an address. */
export interface Origin {
  /** The path or address of a file, for messages. */
  place(name: string): string;
  /**
   * Begins to read a file, at a byte.
   * @throws PassingError for what may be better the next time, StoreError for a file that is not there, FileError
   */
  open(name: string, from: number, signal: AbortSignal): Promise<Incoming>;
}

/** A request that failed, and may succeed when it is sent again. */
export class PassingError extends Error {
  /** How long the server asks to be left alone, in milliseconds. */
  readonly pauseMs: number;

  constructor(message: string, pauseMs = 0, options?: ErrorOptions) {
    super(message, options);
    this.pauseMs = pauseMs;
  }
}

/** Why a file cannot be had that is not there. */
class MissingFile extends Error {}

export const UPLOAD = 'Copy the whole store there again: every file of the folder, under its own name';

/** @param said how the server says so */
export function missing(place: string, said: string, cause?: unknown): StoreError {
  return new StoreError(place, `the file is missing (${said})`, UPLOAD, { cause: new MissingFile(said, { cause }) });
}

/** Whether an error says that a file is not there. */
export function isMissing(error: unknown): error is StoreError {
  return error instanceof StoreError && error.cause instanceof MissingFile;
}

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/** Whether what comes from there is encrypted, or stays on this machine. */
export function isGuarded({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || (protocol === 'http:' && LOOPBACK.includes(hostname));
}

/** In one line. Clients hide what happened in causes. */
export function reasonOf(error: unknown): string {
  const { message, cause, code } = error as { message?: string; cause?: unknown; code?: string };
  if (cause !== undefined) return reasonOf(cause);
  return (message || code || String(error))
    .trim()
    .replace(/\s*\n\s*/g, ' ')
    .replace(/\.$/, '');
}
