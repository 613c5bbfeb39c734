import http, { type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import https from 'node:https';
import type { TLSSocket } from 'node:tls';
import { FileError } from '../common/errors.ts';
import { isGuarded, PassingError, reasonOf } from './origin.ts';

const REDIRECTS = [301, 302, 303, 307, 308];
const MOST_REDIRECTS = 5;
/** What OpenSSL has to say, whatever the error's code is. */
const SAID = /:SSL routines:[^:]*:([^:]+):/;
/** Of an answer that is not TLS at all. */
const NO_TLS = ['wrong version number', 'packet length too long', 'http request', 'unknown protocol'];
const DIRECTLY = 'Give the address that the files lie at themselves';

/**
 * Asks for a file, and follows where the server sends on to. The body of the answer is a stream; a connection that is cut makes it fail.
 * Connections are Node's own, kept for the next request; idle ones hold no process up.
 *
 * Not by `fetch`: where a server closes the connection while nobody reads, its parser ends the process (nodejs/undici#5360).
 * @throws PassingError for a connection that fails; FileError naming `place` for TLS, certificates and redirects that are of no use
 */
export async function httpGet(place: string, headers: OutgoingHttpHeaders, signal: AbortSignal): Promise<IncomingMessage> {
  let url = new URL(place);
  for (let followed = 0; ; followed++) {
    const response = await answerOf(place, url, headers, signal);
    const { location } = response.headers;
    if (!REDIRECTS.includes(response.statusCode as number) || location === undefined) return response;
    response.destroy();
    if (followed === MOST_REDIRECTS)
      throw new FileError(place, `the server sends on to another address, more than ${MOST_REDIRECTS} times in a row`, DIRECTLY);
    const next = URL.parse(location, url.href);
    if (next === null || !isGuarded(next))
      throw new FileError(
        place,
        `the server sends on to ${next === null ? 'what is no address' : `${next.protocol}//${next.host}`}, not to https://`,
        DIRECTLY,
      );
    url = next;
  }
}

function answerOf(place: string, url: URL, headers: OutgoingHttpHeaders, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? https : http).get(url, { headers, signal });
    request.on('response', (response) => {
      // It may fail before anybody reads it; who reads it then is told.
      response.on('error', () => {});
      resolve(response);
    });
    request.on('error', (error) => reject(failureOf(place, url, error, (request.socket as TLSSocket | null)?.authorizationError)));
  });
}

/** @param refused why the certificate was refused, if it was */
function failureOf(place: string, { host }: URL, error: NodeJS.ErrnoException, refused: unknown): Error {
  const { code = '' } = error;
  const lasting = (what: string, action: string): FileError => new FileError(place, what, action, { cause: error });
  if (refused)
    return lasting(`the certificate of ${host} is refused: ${reasonOf(error)} (${code})`, 'Name your own one by NODE_EXTRA_CA_CERTS');
  const said = SAID.exec(error.message)?.[1];
  if (said !== undefined && NO_TLS.includes(said)) return lasting(`${host} speaks no TLS (${said})`, 'Check the address and its port');
  if (said !== undefined)
    return lasting(`no TLS connection to ${host} comes about (${said})`, 'Check which versions of TLS the server speaks');
  return new PassingError(reasonOf(error), 0, { cause: error });
}
