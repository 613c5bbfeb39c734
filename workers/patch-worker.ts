import { performance } from 'node:perf_hooks';
import { workerData } from 'node:worker_threads';
import { type OpenCase, OpenFiles } from '../src/dataset/open-files.ts';
import { PatchReader } from '../src/dataset/read-patch.ts';
import { ResidentCases } from '../src/dataset/resident-cases.ts';
import { pack } from '../src/errors.ts';
import type { PatchAnswer, PatchTask, PatchWorkerData, SlotTask } from '../src/scheduling/patch-task.ts';
import { Ring, SLOT_STATE } from '../src/shared-memory/ring.ts';

// Nothing imported here may use top-level await: Node 24 loads such a worker module twice, and aborts the whole process if the
// worker ends while it waits (test/crash-recovery/faults.test.ts).

const { memory, layout, storeDir, cases, padMode, openCases } = workerData as PatchWorkerData;
const ring = new Ring(memory.buffer, layout);
const files = new OpenFiles(storeDir, cases, layout.channels, layout.labelBytes, openCases);
const residents = new ResidentCases(ring);
const reader = new PatchReader(memory, layout.channels, layout.scratchBytes, padMode);

/**
 * Writes the slots of one task. Synchronous on purpose: a worker has nothing else to do, and two tasks never meet in it.
 * `null` does nothing; it finds out whether the worker is up.
 */
export default function run(task: PatchTask | null): PatchAnswer {
  const start = performance.now();
  if (task === null) return { busyMs: 0 };
  const scratch = ring.scratchPointer(task.scratch);
  for (const slotTask of JSON.parse(task.slots) as SlotTask[]) {
    try {
      write(slotTask, scratch);
    } catch (error) {
      // The files may be what is wrong: the next try opens them anew.
      files.close(slotTask.plan.caseNumber);
      return { busyMs: performance.now() - start, error: pack(error) };
    }
  }
  return { busyMs: performance.now() - start };
}

function write({ entry, slot, plan }: SlotTask, scratch: number): void {
  ring.setSlotState(entry, slot, SLOT_STATE.writing);
  const place = { data: ring.dataPointer(entry, slot), target: ring.targetPointer(entry, slot), scratch };
  const { shape } = cases[plan.caseNumber];
  const open = (): OpenCase => files.get(plan.caseNumber);
  const foreground = reader.read(residents.get(plan.caseNumber, shape, open) ?? open(), shape, plan.box, place);
  ring.setForeground(entry, slot, foreground);
  ring.setSlotState(entry, slot, SLOT_STATE.written);
}
