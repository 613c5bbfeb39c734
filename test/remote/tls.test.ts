import { once } from 'node:events';
import https from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { createServer } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { FileError } from '../../src/common/errors.ts';
import { downloadText } from '../../src/remote/download.ts';
import { openOrigin } from '../../src/remote/open-origin.ts';
import { CERTIFICATE, KEY } from '../fixtures/certificate.ts';
import { FileServer } from '../fixtures/file-server.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const trust = (ca: string | undefined): void => {
  https.globalAgent.options.ca = ca;
};
afterEach(() => trust(undefined));

async function get(address: string): Promise<string> {
  const patience = { tries: 3, pauseMs: 1, silentMs: 10_000 };
  const unknown = { bytes: null, xxh64: null };
  return (await downloadText(await openOrigin(address), 'a.json', unknown, new AbortController().signal, patience)).toString();
}

/** What comes of a file on a server, and how many connections it took. */
async function from(server: Server, host = '127.0.0.1'): Promise<{ got: unknown; connections: number }> {
  let connections = 0;
  server.on('connection', () => connections++);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  try {
    const got = await get(`https://${host}:${(server.address() as AddressInfo).port}`).catch((error) => error);
    return { got, connections };
  } finally {
    server.close();
  }
}

const encrypted = (): Server =>
  https.createServer({ cert: CERTIFICATE, key: KEY }, (_, response) => response.end('yes', () => response.socket?.destroy()));

function expectRefusal({ got, connections }: { got: unknown; connections: number }, message: RegExp): void {
  expect(got).toBeInstanceOf(FileError);
  expect((got as Error).message).toMatch(message);
  expect(connections).toBe(1);
}

describe('a server that speaks TLS', () => {
  it('gives a file where its certificate is trusted', async () => {
    trust(CERTIFICATE);
    expect(await from(encrypted())).toEqual({ got: 'yes', connections: 1 });
  });

  it('is refused at once where nobody trusts its certificate', async () => {
    expectRefusal(
      await from(encrypted()),
      /^https:\/\/127\.0\.0\.1:\d+\/a\.json: the certificate of 127\.0\.0\.1:\d+ is refused: .* \(DEPTH_ZERO_SELF_SIGNED_CERT\)\. .*NODE_EXTRA_CA_CERTS$/,
    );
  });

  it('is refused at once where its certificate is that of another', async () => {
    trust(CERTIFICATE);
    expectRefusal(
      await from(encrypted(), 'localhost'),
      /the certificate of localhost:\d+ is refused: .* \(ERR_TLS_CERT_ALTNAME_INVALID\)\. /,
    );
  });

  it('is refused at once where they cannot agree', async () => {
    const bare = createServer().on('tlsClientError', () => {});
    expectRefusal(
      await from(bare),
      /: no TLS connection to 127\.0\.0\.1:\d+ comes about \([\w/ ]*handshake failure\)\. Check which versions/,
    );
  });
});

describe('a server that speaks no TLS', () => {
  it('is refused at once, in one line', async () => {
    await using server = await FileServer.start(temporaryFolder());
    const error = await get(server.address.replace('http:', 'https:')).catch((error) => error);
    expect(error).toBeInstanceOf(FileError);
    expect(error.message).toMatch(/a\.json: 127\.0\.0\.1:\d+ speaks no TLS \([a-z ]+\)\. Check the address and its port$/);
    expect(server.connections).toBe(1);
  });
});
