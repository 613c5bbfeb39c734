import { request } from 'node:http';
import type { ArrayFacts } from '../../src/view/packet.ts';

/** What a server answered. */
export interface Answered {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

/** Sends a path exactly as it is: `fetch` would tidy it up first. */
export function ask(port: number, path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, method, headers }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) }));
    });
    sent.on('error', reject);
    sent.end();
  });
}

/** Reads a packet, see `encodePacket`: its facts, and the bytes of each array. */
export function decode<T>(packet: Uint8Array): { facts: T; arrays: Record<string, ArrayFacts & { bytes: Buffer }> } {
  const bytes = Buffer.from(packet);
  const length = bytes.readUInt32LE(0);
  const { facts, arrays } = JSON.parse(bytes.toString('utf8', 4, 4 + length)) as { facts: T; arrays: Record<string, ArrayFacts> };
  const sizes = { f4: 4, i4: 4, i2: 2, i1: 1, u1: 1 };
  const found = Object.entries(arrays).map(([name, array]) => {
    const start = 4 + length + array.offset;
    const size = array.shape.reduce((product, one) => product * one, sizes[array.dtype]);
    return [name, { ...array, bytes: bytes.subarray(start, start + size) }] as const;
  });
  return { facts, arrays: Object.fromEntries(found) };
}
