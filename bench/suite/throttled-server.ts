/**
 * Serves a folder over HTTP at so many megabytes a second, of all connections together, as a process of its own: what it computes is not
 * to be taken for the loader's. Tells its port by a message.
 *
 *     node bench/suite/throttled-server.ts DIR MEGABYTES_A_SECOND
 */
import { open } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const [dir, megabytes] = [process.argv[2], Number(process.argv[3])];
const PART_BYTES = 64 * 1024;
/** When what was let through so far is paid for. */
let freeAt = 0;

async function send(name: string, response: ServerResponse): Promise<void> {
  await using file = await open(join(dir, name), 'r');
  const { size } = await file.stat();
  response.writeHead(200, { 'content-length': size, etag: '"bench"' });
  const part = Buffer.allocUnsafe(PART_BYTES);
  for (let at = 0; at < size; ) {
    const { bytesRead } = await file.read(part, 0, part.length, at);
    const now = performance.now();
    freeAt = Math.max(freeAt, now) + bytesRead / megabytes / 1000;
    if (freeAt - now > 1) await pause(freeAt - now);
    await new Promise((done) => response.write(Buffer.from(part.subarray(0, bytesRead)), done));
    at += bytesRead;
  }
  response.end();
}

const server = createServer((request, response) => {
  send(decodeURIComponent(request.url ?? '').slice(1), response).catch(() => void response.writeHead(404).end());
});
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.on('disconnect', () => process.exit());
