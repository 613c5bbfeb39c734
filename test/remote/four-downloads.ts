/** Gets a file four times at once, for a disk that is slow now and then: a program of its own, as what went wrong ended the process. */
import { setTimeout as pause } from 'node:timers/promises';
import { download } from '../../src/remote/download.ts';
import { openOrigin } from '../../src/remote/open-origin.ts';

const [address, bytes, xxh64] = process.argv.slice(2);
const origin = await openOrigin(address);
const { signal } = new AbortController();
const expected = { bytes: Number(bytes), xxh64 };
/** The end of the file, which the server's goodbye follows at once. */
const late = expected.bytes - 500_000;
const write = (_: Uint8Array, at: number) => (at > late ? pause(10) : undefined);
await Promise.all(Array.from({ length: 4 }, () => download(origin, 'file.npy', expected, write, signal)));
console.log('all came');
