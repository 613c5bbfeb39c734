/**
 * Ends worker threads from outside while a real store streams: `node bench/worker-deaths.ts STORE_DIR [DEATHS] [BATCHES]`.
 * Prints the hash of the stream without and with deaths, and the memory at the start and at the end.
 */
import { Digest } from '../src/common/hash.ts';
import { openStore, PatchLoader } from '../src/index.ts';
import { environment } from '../src/measuring/environment.ts';
import { LiveWorkers } from '../test/fixtures/live-workers.ts';

const [dir, deaths = 200, batches = 2000] = [process.argv[2], ...process.argv.slice(3).map(Number)] as [string, number?, number?];

using live = new LiveWorkers();
for (const injected of [0, deaths]) {
  await using loader = await PatchLoader.create({
    store: await openStore(dir),
    patchSize: [40, 56, 40],
    batchSize: 9,
    seed: 7,
    workers: 2,
  });
  const digest = await Digest.create();
  const memory: number[] = [];
  const start = performance.now();
  let ended = 0;
  for (let i = 0; i < batches; i++) {
    // As often as is due by now, and as somebody lives: a worker that is already ending does not count.
    if (ended < (injected * (i + 1)) / batches && live.end(i)) ended++;
    using batch = await loader.next();
    digest.update(batch.data).update(batch.target);
    if (i % 100 === 99) memory.push(process.memoryUsage().rss);
  }
  const { batches: delivered, redone, workerRestarts } = loader.metrics();
  const megabytes = (values: number[]): number => Math.round(Math.max(...values) / 2 ** 20);
  console.log({
    deaths: ended,
    stream_hash: digest.hex(),
    batches: delivered,
    redone,
    workerRestarts,
    rss_mib_first_quarter: megabytes(memory.slice(0, memory.length / 4)),
    rss_mib_last_quarter: megabytes(memory.slice(-memory.length / 4)),
    seconds: Math.round((performance.now() - start) / 100) / 10,
  });
}
console.log(environment());
