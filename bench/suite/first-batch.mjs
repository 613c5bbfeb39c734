/**
 * From nothing to the first batch: prints what it took as JSON, as `measure.ts` does. Plain JavaScript, as programs that use the package are:
 * for TypeScript, Node loads a compiler first, which takes as long as Node itself.
 */
const sinceStart = () => performance.timeOrigin + performance.now() - Number(process.env.VOXFEED_BENCH_STARTED);

const start_ms = sinceStart();
const { store, options } = JSON.parse(process.argv[2]);
const { openStore, PatchLoader } = await import('../../dist/index.js');
const loaded_ms = sinceStart();
const opened = await openStore(store);
const opened_ms = sinceStart();
await using loader = await PatchLoader.create({ store: opened, ...options });
const created_ms = sinceStart();
using _ = await loader.next();
const first_batch_ms = sinceStart();
const { user, system } = process.cpuUsage();
console.log(JSON.stringify({ start_ms, loaded_ms, opened_ms, created_ms, first_batch_ms, cpu_ms: (user + system) / 1000 }));
