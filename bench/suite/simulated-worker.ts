import { workerData } from 'node:worker_threads';
import type { PatchAnswer, PatchTask, PatchWorkerData, SlotTask } from '../../src/scheduling/patch-task.ts';
import { Ring, SLOT_STATE } from '../../src/shared-memory/ring.ts';

/** A worker that makes nothing: it sleeps as long as a sample takes, and says that it is written. */
const { memory, layout } = workerData as PatchWorkerData;
const ring = new Ring(memory.buffer, layout);
const sampleMs = Number(process.env.VOXFEED_BENCH_SAMPLE_MS);
const never = new Int32Array(new SharedArrayBuffer(4));

export default async function run(task: PatchTask | null): Promise<PatchAnswer> {
  const start = performance.now();
  for (const { entry, slot } of task === null ? [] : (JSON.parse(task.slots) as SlotTask[])) {
    ring.setSlotState(entry, slot, SLOT_STATE.writing);
    Atomics.wait(never, 0, 0, sampleMs);
    ring.setSlotState(entry, slot, SLOT_STATE.written);
  }
  return { busyMs: performance.now() - start, cpuMs: 0, spent: [] };
}
