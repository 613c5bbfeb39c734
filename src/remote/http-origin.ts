import type { IncomingHttpHeaders } from 'node:http';
import { FileError, StoreError } from '../common/errors.ts';
import { httpGet } from './http-get.ts';
import { type Incoming, missing, type Origin, PassingError } from './origin.ts';

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
    // Compressed, a file would have no length, and no byte to go on from.
    const response = await httpGet(place, { 'accept-encoding': 'identity', ...(from > 0 && { range: `bytes=${from}-` }) }, signal);
    const { statusCode: status = 0, headers } = response;
    if (status !== 200 && status !== 206) {
      response.destroy();
      throw refusalOf(place, status, headers);
    }
    const range = status === 206 ? /^bytes (\d+)-\d*\/(\d+)$/.exec(headers['content-range'] ?? '') : null;
    const length = headers['content-length'];
    return {
      etag: headers.etag ?? null,
      from: range === null ? 0 : Number(range[1]),
      bytes: range === null ? (length === undefined ? null : Number(length)) : Number(range[2]),
      body: response,
    };
  }
}

function refusalOf(place: string, status: number, headers: IncomingHttpHeaders): Error {
  if (status === 404 || status === 410) return missing(place, `HTTP ${status}`);
  if (status === 401 || status === 403)
    return new FileError(place, `nobody without leave may read it (HTTP ${status})`, 'Let the server give it to everybody, or use s3://');
  if (status === 416) return new StoreError(place, 'it was changed while it was read (HTTP 416)', 'Open the store again');
  if (status < 500 && !PASSING.includes(status)) return new FileError(place, `the server answers HTTP ${status}`, 'Check the address');
  return new PassingError(`the server answers HTTP ${status}`, pauseOf(headers['retry-after']));
}

/** In milliseconds. Dates are not looked at: our own pauses will do. */
function pauseOf(seconds = ''): number {
  return /^\d{1,3}$/.test(seconds) ? 1000 * Number(seconds) : 0;
}
