import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** What a request says of itself. */
export interface Asked {
  method?: string | undefined;
  /** As it was sent: path and query. */
  url?: string | undefined;
  headers: IncomingHttpHeaders;
}

/** A request that may be answered, or why it may not. */
export type Verdict = { path: string; query: URLSearchParams } | { status: 400 | 403 | 405; why: string };

/** Letters that paths of ours have: no dot segments, no escapes, no backslashes. */
const PLAIN_PATH = /^(?:\/[\w-]+(?:\.[\w-]+)*)*\/?$/;
const OWN_SITE = [undefined, 'same-origin', 'none'];

/**
 * Lets through who came by the address that was printed. The page is this machine's alone: other users do not know the token, other sites
 * are told by `Origin` and `Sec-Fetch-Site`, and names that lead here by a trick of DNS by `Host`.
 */
export function judge({ method, url = '', headers }: Asked, port: number, token: string): Verdict {
  // Browsers leave out the port that HTTP has anyway.
  const hosts = ['127.0.0.1', 'localhost'].flatMap((name) => [`${name}:${port}`, ...(port === 80 ? [name] : [])]);
  const refuse = (why: string): Verdict => ({ status: 403, why });
  if (!hosts.includes(headers.host ?? '')) return refuse('this is no name of this server');
  if (headers.origin !== undefined && !hosts.some((host) => headers.origin === `http://${host}`)) return refuse('another site asks');
  if (!OWN_SITE.includes(headers['sec-fetch-site'] as string | undefined) && !opensThePage(headers)) return refuse('another site asks');
  const [path, ...rest] = url.split('?');
  const [, given = '', ...parts] = path.split('/');
  if (!isSame(given, token)) return refuse('the address lacks its token: open the one that `voxfeed view` printed');
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, why: 'this page only shows, it changes nothing' };
  if (!PLAIN_PATH.test(path) || path.includes('//')) return { status: 400, why: 'this is no path of this server' };
  return { path: parts.join('/'), query: new URLSearchParams(rest.join('?')) };
}

/** Following a link to the page from elsewhere, with its token, is no request of another site for what it shows. */
function opensThePage(headers: IncomingHttpHeaders): boolean {
  return headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document' && headers.origin === undefined;
}

function isSame(given: string, token: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(token)];
  return a.length === b.length && timingSafeEqual(a, b);
}
