import { ftruncateSync, readSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { bindKernels, type SharedMemory } from '../kernels/kernels.ts';
import { type Layout, WASM_PAGE } from './layout.ts';
import { mapFixed, whyNoMapping } from './mapping.ts';

/** How long a thread may take to start in the self test. */
const PATIENCE_MS = 10_000;
/** Bytes that it writes at each place. */
const WIDTH = 64;

/** Bytes of the rings, and of the file that they lie in: whole pages, of any page size in use. */
export function ringBytes({ entries, entryBytes }: Layout): number {
  return Math.ceil((entries * entryBytes) / WASM_PAGE) * WASM_PAGE;
}

/**
 * Puts the file behind a descriptor under the rings of a memory, so that another process that maps the file sees what workers write
 * there. To be called before workers start: what stood there is gone. Linux on 64 bits, with koffi installed.
 *
 * V8 promises nothing about this, so it is tried out: a kernel and another thread write, the file is read.
 * @param fd a memfd, which grows here to `ringBytes`. In a file on a disk, a full disk would kill the process: nothing else will do
 * @returns why it did not work; then the memory must not be used any more. Null if it did
 */
export function mapRings(memory: WebAssembly.Memory, layout: Layout, fd: number): string | null {
  const refusal = whyNoMapping();
  if (refusal !== null) return refusal;
  try {
    const rings = new Uint8Array(memory.buffer as SharedArrayBuffer, layout.ringOffset, ringBytes(layout));
    ftruncateSync(fd, rings.length);
    mapFixed(rings, fd);
    return selfTest(memory, layout, fd) ? null : 'the file did not show what was written to the memory';
  } catch (error) {
    return (error as Error).message.split('\n')[0];
  }
}

/** Writes near both ends of the rings, as workers will, and looks for it in the file. Leaves zeros. */
function selfTest(memory: WebAssembly.Memory, layout: Layout, fd: number): boolean {
  const buffer = memory.buffer as SharedArrayBuffer;
  const kernels = bindKernels(memory as SharedMemory);
  const last = ringBytes(layout) - WIDTH;
  const places = [0, WIDTH, last];
  const look = (): string =>
    places
      .map((place) => {
        const seen = Buffer.alloc(WIDTH);
        readSync(fd, seen, 0, WIDTH, place);
        return [...new Set(seen)].join('/');
      })
      .join();
  kernels.fillBox({ pointer: layout.ringOffset, row: 0, plane: 0 }, 1, 1, WIDTH, 7);
  writeInThread(buffer, { [layout.ringOffset + WIDTH]: 8, [layout.ringOffset + last]: 9 });
  const right = look() === '7,8,9';
  for (const place of places) new Uint8Array(buffer, layout.ringOffset + place, WIDTH).fill(0);
  return right && look() === '0,0,0';
}

/** Fills bytes from each place on with its value, in another thread, and waits for it. */
function writeInThread(buffer: SharedArrayBuffer, values: Record<number, number>): void {
  const done = new Int32Array(new SharedArrayBuffer(4));
  const code = `const { buffer, values, done } = process.getBuiltinModule('node:worker_threads').workerData;
    for (const [at, value] of Object.entries(values)) new Uint8Array(buffer, Number(at), ${WIDTH}).fill(value);
    Atomics.store(done, 0, 1);
    Atomics.notify(done, 0);`;
  const worker = new Worker(code, { eval: true, workerData: { buffer, values, done } });
  worker.unref();
  Atomics.wait(done, 0, 0, PATIENCE_MS);
}
