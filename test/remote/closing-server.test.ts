import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { xxh64 } from '../../src/common/hash.ts';

const CONTENTS = Buffer.from(Uint32Array.from({ length: 4_200_000 }, (_, i) => i * 2_654_435_761).buffer);
const HASH = await xxh64(CONTENTS);

/** Answers with the file, and ends the connection with it, as small servers do. */
function answer(socket: Socket, head: string): void {
  socket.on('error', () => {});
  socket.once('data', () => {
    socket.write(`${head}\r\nConnection: close\r\n\r\n`);
    socket.end(CONTENTS);
  });
}

describe('large files that are copied four at once', () => {
  it.each([
    ['HTTP/1.0, with a length', `HTTP/1.0 200 OK\r\nContent-Length: ${CONTENTS.length}`],
    ['HTTP/1.0, up to the end', 'HTTP/1.0 200 OK'],
    ['HTTP/1.1', `HTTP/1.1 200 OK\r\nContent-Length: ${CONTENTS.length}`],
  ])('come from a server that ends each connection with the file: %s', async (_, head) => {
    const server = createServer((socket) => answer(socket, head)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const words = [join(import.meta.dirname, 'four-downloads.ts'), address, String(CONTENTS.length), HASH];
      expect((await promisify(execFile)(process.execPath, words)).stdout).toBe('all came\n');
    } finally {
      server.close();
    }
  });
});
