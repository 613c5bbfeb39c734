/** A trainer in a thread of its own takes batches from the loader of the main thread. No voxel is copied: only tickets go by. */
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { connect, PatchLoader, share } from 'voxfeed';
import { hippocampus } from './hippocampus.ts';

const BATCHES = 10;

async function feed(): Promise<void> {
  await using loader = await PatchLoader.create({ store: await hippocampus(), augmentation: 'default', seed: 7, workers: 2 });
  const port = share(loader);
  const trainer = new Worker(new URL(import.meta.url), { workerData: port, transferList: [port] });
  // A thread may end in the same moment as its message comes: both are waited for from now on.
  const [[foreground]] = await Promise.all([once(trainer, 'message'), once(trainer, 'exit')]);
  const { batches } = loader.metrics();
  console.log(`the other thread saw ${batches} batches, ${(100 * foreground).toFixed(1)} % of their voxels foreground`);
  if (batches !== BATCHES) throw new Error(`it was to take ${BATCHES}`);
}

async function train(): Promise<void> {
  await using loader = await connect(workerData);
  let voxels = 0;
  let foreground = 0;
  for (let i = 0; i < BATCHES; i++) {
    using batch = await loader.next(); // views on the memory that the workers of the loader write to
    for (const label of batch.target) foreground += Number(label > 0);
    voxels += batch.target.length;
  }
  parentPort?.postMessage(foreground / voxels);
}

await (isMainThread ? feed() : train());
