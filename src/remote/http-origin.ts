import { FileError, StoreError } from '../common/errors.ts';
import { type Incoming, type Origin, PassingError, reasonOf, UPLOAD } from './origin.ts';

/** What servers answer that are busy, or that a machine before them cannot reach. */
const PASSING = [408, 425, 429];

/** A folder on a web server, by its address without a / at the end. */
export class HttpOrigin implements Origin {
  readonly #address: string;

  constructor(address: string) {
    this.#address = address;
  }

  place(name: string): string {
    return `${this.#address}/${encodeURIComponent(name)}`;
  }

  async open(name: string, from: number, signal: AbortSignal): Promise<Incoming> {
    const place = this.place(name);
    let response: Response;
    try {
      // Compressed, a file would have no length, and no byte to go on from.
      const headers = { 'accept-encoding': 'identity', ...(from > 0 && { range: `bytes=${from}-` }) };
      response = await fetch(place, { headers, signal });
    } catch (error) {
      throw new PassingError(reasonOf(error), 0, { cause: error });
    }
    const { status, headers } = response;
    if (status !== 200 && status !== 206) {
      void response.body?.cancel().catch(() => {});
      throw refusalOf(place, status, headers);
    }
    const range = status === 206 ? /^bytes (\d+)-\d*\/(\d+)$/.exec(headers.get('content-range') ?? '') : null;
    const length = headers.get('content-length');
    return {
      etag: headers.get('etag'),
      from: range === null ? 0 : Number(range[1]),
      bytes: range === null ? (length === null ? null : Number(length)) : Number(range[2]),
      body: response.body ?? nothing(),
    };
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function refusalOf(place: string, status: number, headers: Headers): Error {
  if (status === 404 || status === 410) return new StoreError(place, `the file is missing (HTTP ${status})`, UPLOAD);
  if (status === 401 || status === 403)
    return new FileError(place, `nobody without leave may read it (HTTP ${status})`, 'Let the server give it to everybody, or use s3://');
  if (status === 416) return new StoreError(place, 'it was changed while it was read (HTTP 416)', 'Open the store again');
  if (status < 500 && !PASSING.includes(status)) return new FileError(place, `the server answers HTTP ${status}`, 'Check the address');
  return new PassingError(`the server answers HTTP ${status}`, pauseOf(headers.get('retry-after')));
}

/** In milliseconds. Dates are not looked at: our own pauses will do. */
function pauseOf(seconds: string | null): number {
  return seconds !== null && /^\d{1,3}$/.test(seconds) ? 1000 * Number(seconds) : 0;
}
