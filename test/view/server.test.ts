import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OptionError } from '../../src/common/errors.ts';
import { judge } from '../../src/view/guard.ts';
import { json, type ServedPage, servePage } from '../../src/view/server.ts';
import { ask } from './view.ts';

let page: ServedPage;
let token: string;
const handled: string[] = [];

beforeAll(async () => {
  page = await servePage(async (path, query) => {
    handled.push(path);
    if (path === 'bad') throw new OptionError('seed', 'it is odd', 'Give another');
    if (path === 'broken') throw new Error('oh');
    return path === 'nothing' ? null : json({ path, query: query.get('q') });
  });
  token = new URL(page.address).pathname.slice(1, -1);
});

afterAll(() => page.close());

describe('the server of a page', () => {
  it('answers who has the token, and lets nothing else of the web in', async () => {
    const { status, headers, body } = await ask(page.port, `/${token}/api/x?q=1`);
    expect([status, JSON.parse(body.toString())]).toEqual([200, { path: 'api/x', query: '1' }]);
    expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
    expect(headers['content-security-policy']).not.toContain('unsafe');
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
    expect(headers['access-control-allow-origin']).toBeUndefined();
  });

  it('listens on this machine alone, under another token each time', async () => {
    expect(page.address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[\w-]{24}\/$/);
    const other = await servePage(async () => null);
    expect(new URL(other.address).pathname).not.toBe(new URL(page.address).pathname);
    await other.close();
  });

  it.each(['/', '/api/x', '/token/api/x', `/${'A'.repeat(24)}/`])('refuses %s, which lacks the token', async (path) => {
    expect((await ask(page.port, path)).status).toBe(403);
  });

  it.each([
    [{ origin: 'https://evil.example' }],
    [{ origin: 'null' }],
    [{ origin: 'http://127.0.0.1:1' }],
    [{ host: 'evil.example' }],
    [{ host: '127.0.0.1:1' }],
    [{ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }],
    [{ 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }],
  ])('refuses another site: %o', async (headers) => {
    expect((await ask(page.port, `/${token}/`, headers as Record<string, string>)).status).toBe(403);
  });

  it('lets its own page in, and a link that somebody follows', async () => {
    const own = { origin: `http://127.0.0.1:${page.port}`, 'sec-fetch-site': 'same-origin' };
    const followed = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
    for (const headers of [own, followed, { host: `localhost:${page.port}` }])
      expect((await ask(page.port, `/${token}/`, headers as Record<string, string>)).status).toBe(200);
  });

  it('knows itself by names without a port on port 80 alone', () => {
    const statusOf = (port: number, headers: IncomingHttpHeaders): number => {
      const verdict = judge({ method: 'GET', url: '/token/', headers }, port, 'token');
      return 'status' in verdict ? verdict.status : 200;
    };
    for (const name of ['127.0.0.1', 'localhost']) {
      const headers = { host: name, origin: `http://${name}` };
      expect([80, 8080].map((port) => statusOf(port, headers))).toEqual([200, 403]);
      expect(statusOf(80, { host: `${name}:80` })).toBe(200);
    }
    expect(statusOf(80, { host: 'evil.example' })).toBe(403);
    expect(statusOf(80, { host: 'localhost', origin: 'http://evil.example' })).toBe(403);
  });

  it.each(['../../etc/passwd', './x', '..%2f..%2fetc/passwd', '%2e%2e/x', '..\\x', 'a//b', '.env', 'x%00', 'x;y'])(
    'refuses the path %s before anybody looks at it',
    async (path) => {
      handled.splice(0);
      expect((await ask(page.port, `/${token}/${path}`)).status).toBe(400);
      expect(handled).toEqual([]);
    },
  );

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('changes nothing: %s is refused', async (method) => {
    expect((await ask(page.port, `/${token}/`, {}, method)).status).toBe(405);
  });

  it('says what is wrong: 404, 422 in words, 500', async () => {
    expect((await ask(page.port, `/${token}/nothing`)).status).toBe(404);
    const refused = await ask(page.port, `/${token}/bad`);
    expect([refused.status, JSON.parse(refused.body.toString())]).toEqual([
      422,
      { where: 'seed', what: 'it is odd', action: 'Give another' },
    ]);
    expect((await ask(page.port, `/${token}/broken`)).status).toBe(500);
  });

  it.each(['whoever asked goes', 'the server ends'])('says that nobody waits for an answer any more: %s', async (end) => {
    const asked = Promise.withResolvers<AbortSignal>();
    const other = await servePage((_path, _query, gone) => {
      asked.resolve(gone);
      return new Promise(() => {});
    });
    const leave = new AbortController();
    const answer = fetch(other.address, { signal: leave.signal });
    const gone = await asked.promise;
    expect(gone.aborted).toBe(false);
    const told = once(gone, 'abort');
    if (end === 'the server ends') await other.close();
    else leave.abort();
    await expect(answer).rejects.toThrow();
    await told;
    await other.close();
  });

  it('says that a port is taken', async () => {
    await expect(servePage(async () => null, page.port)).rejects.toThrow(`port: ${page.port} cannot be had (EADDRINUSE)`);
  });
});
