import { randomBytes } from 'node:crypto';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { OptionError, VoxfeedError } from '../common/errors.ts';
import { judge } from './guard.ts';

/** What a path is answered with. */
export interface Answer {
  type: string;
  body: Uint8Array | string;
  /** Save it under this name. */
  saveAs?: string;
}

/** Answers a path below the token; null where there is no such path. `gone` says that nobody waits for the answer any more. */
export type Handler = (path: string, query: URLSearchParams, gone: AbortSignal) => Promise<Answer | null>;

export interface ServedPage {
  /** With its token: whoever has it may look. */
  address: string;
  port: number;
  close(): Promise<void>;
}

/** NiiVue starts a worker of its own code, and keeps its pictures as data. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self' blob: data:",
  "connect-src 'self' data:",
  "worker-src 'self' blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
};

/**
 * Serves on 127.0.0.1 alone, under a random token, and changes nothing.
 * @param port 0: any that is free
 * @throws OptionError if the port is taken
 */
export async function servePage(handler: Handler, port = 0): Promise<ServedPage> {
  const token = randomBytes(18).toString('base64url');
  const server = createServer((request, response) => {
    const verdict = judge(request, (server.address() as AddressInfo).port, token);
    if ('why' in verdict) return send(response, verdict.status, text(verdict.why));
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    handler(verdict.path, verdict.query, gone.signal).then(
      (answer) => (answer === null ? send(response, 404, text('there is nothing here')) : send(response, 200, answer)),
      (error: unknown) => send(response, error instanceof VoxfeedError ? 422 : 500, failure(error)),
    );
  });
  await listen(server, port);
  const { port: bound } = server.address() as AddressInfo;
  return {
    address: `http://127.0.0.1:${bound}/${token}/`,
    port: bound,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export const json = (value: unknown): Answer => ({ type: 'application/json', body: JSON.stringify(value) });
const text = (body: string): Answer => ({ type: 'text/plain; charset=utf-8', body: `${body}\n` });

function failure(error: unknown): Answer {
  if (error instanceof VoxfeedError) return json({ where: error.where, what: error.what, action: error.action });
  return json({ where: '', what: error instanceof Error ? error.message : String(error), action: '' });
}

function send(response: ServerResponse, status: number, { type, body, saveAs }: Answer): void {
  if (response.destroyed) return;
  response.writeHead(status, {
    ...HEADERS,
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    ...(saveAs !== undefined && { 'content-disposition': `attachment; filename="${saveAs.replace(/[^\w.-]/g, '_')}"` }),
  });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE' || error.code === 'EACCES';
      reject(taken ? new OptionError('port', `${port} cannot be had (${error.code})`, 'Give another one, or none') : error);
    });
    server.listen(port, '127.0.0.1', resolve);
  });
}
