/**
 * Loaders that are opened, used and closed one after the other in one process, as in a sweep or a cross-validation: what the process holds.
 * Each goes once round its ring at least, so that all of its memory is really there.
 *
 *     node bench/closed-loaders.ts [--loaders 100] [--batches 12] [--edge 96]
 */
import { parseArgs } from 'node:util';
import type { LoaderOptions } from '../src/index.ts';
import { PatchLoader } from '../src/index.ts';
import { temporaryFolder } from '../test/fixtures/temporary-folder.ts';
import { syntheticStore } from './suite/synthetic-store.ts';

const { values } = parseArgs({
  options: {
    loaders: { type: 'string', default: '100' },
    batches: { type: 'string', default: '12' },
    edge: { type: 'string', default: '96' },
  },
});
const [loaders, batches, edge] = [Number(values.loaders), Number(values.batches), Number(values.edge)];

const megabytes = (bytes: number): number => Math.round(bytes / 2 ** 20);
const resident = (): number => process.memoryUsage.rss();

const store = await syntheticStore(temporaryFolder(), 3, [edge + 4, edge + 4, edge + 4]);
const common: LoaderOptions = { store, patchSize: [edge, edge, edge], workers: 2, augmentation: 'default', cacheBytes: 0 };

/** Opens, uses and closes one. Returns what it says it takes, and the most that the process held. */
async function use(options: LoaderOptions): Promise<{ takes: number; most: number }> {
  const loader = await PatchLoader.create(options);
  let most = 0;
  for (let i = 0; i < batches; i++) {
    using _ = await loader.next();
    most = Math.max(most, resident());
  }
  const { totalBytes } = loader.memory();
  await loader.close();
  return { takes: totalBytes, most: Math.max(most, resident()) };
}

/** Of loaders that grow, the fraction of the largest is what counts. */
async function sweep(name: string, sizeOf: (i: number) => LoaderOptions): Promise<void> {
  const runs: { takes: number; most: number }[] = [];
  console.log(`\n${name}\n loader   says MB   process MB`);
  for (let i = 0; i < loaders; i++) {
    runs.push(await use(sizeOf(i)));
    const { takes, most } = runs[i];
    if ([0, 1, 2, 4, 9].includes(i) || (i + 1) % 20 === 0 || i + 1 === loaders)
      console.log(`${String(i + 1).padStart(7)} ${String(megabytes(takes)).padStart(9)} ${String(megabytes(most)).padStart(12)}`);
  }
  const most = Math.max(...runs.map((run) => run.most));
  console.log(`most ${megabytes(most)} MB, ${(most / runs[0].most).toFixed(2)} times that of the first`);
}

await sweep('of one size', (seed) => ({ ...common, batchSize: 8, ring: 10, seed }));
await sweep('of sizes that come and go', (i) => ({ ...common, batchSize: 2 + ((i * 5) % 7), ring: 10, seed: i }));
