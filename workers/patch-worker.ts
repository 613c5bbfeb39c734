import { performance } from 'node:perf_hooks';
import { workerData } from 'node:worker_threads';
import { loadCustomSteps } from '../src/augmentation/options.ts';
import { PatchMaker } from '../src/augmentation/patch-maker.ts';
import { type PackedError, pack } from '../src/common/errors.ts';
import { enter, newStageTimes, reportTo, STAGE } from '../src/common/progress.ts';
import { BoxReader } from '../src/reading/boxes.ts';
import { type OpenArray, type OpenCase, OpenFiles } from '../src/reading/open-files.ts';
import { ResidentCases } from '../src/reading/resident-cases.ts';
import type { PatchAnswer, PatchTask, PatchWorkerData, SlotTask } from '../src/scheduling/patch-task.ts';
import { Ring, SLOT_STATE } from '../src/shared-memory/ring.ts';

// Nothing imported here may use top-level await: Node 24 loads such a worker module twice, and aborts the whole process if the
// worker ends while it waits (test/crash-recovery/faults.test.ts).

const { memory, layout, arrays, recipes, openCases } = workerData as PatchWorkerData;
const { cases, previous } = arrays;
const ring = new Ring(memory.buffer, layout);
const files = new OpenFiles(arrays, openCases);
const residents = new ResidentCases(ring, new BoxReader(memory, Math.max(...recipes.map(({ scratch }) => scratch.slabBytes))));
const makers = recipes.map((recipe) => new PatchMaker(memory, recipe));
/** Of the task under way, for each configuration. */
const times = recipes.map(({ pipeline }) => newStageTimes(pipeline.steps.length));

/** Modules of the user's; until they are here, tasks wait. */
const modules = loadCustomSteps(recipes.flatMap(({ pipeline }) => pipeline.steps));
modules.catch(() => {});

const IDLE: PatchAnswer = { busyMs: 0, cpuMs: 0, spent: [] };

/** Does one task. `null` does nothing; it finds out whether the worker is up. */
export default async function run(task: PatchTask | null): Promise<PatchAnswer> {
  try {
    await modules;
  } catch (error) {
    if (task === null) return { ...IDLE, error: pack(error) };
    // Somebody must be to blame, or the task would be handed out for ever.
    const [{ entry, slot }] = JSON.parse(task.slots) as SlotTask[];
    ring.setSlotState(entry, slot, SLOT_STATE.writing);
    return { ...IDLE, error: pack(error) };
  }
  return task === null ? IDLE : fill(task);
}

/** Writes the slots of a task. Synchronous on purpose: a worker has nothing else to do, and two tasks never meet in it. */
function fill(task: PatchTask): PatchAnswer {
  const start = performance.now();
  const cpu = process.threadCpuUsage();
  const scratch = ring.scratchPointer(task.scratch);
  const touched = new Set<number>();
  let error: PackedError | undefined;
  for (const slotTask of JSON.parse(task.slots) as SlotTask[]) {
    const { configuration, plan } = slotTask;
    if (!touched.has(configuration)) times[configuration].fill(0);
    touched.add(configuration);
    reportTo(ring.progress(task.scratch), times[configuration]);
    try {
      write(slotTask, scratch);
    } catch (failure) {
      // The files may be what is wrong: the next try opens them anew.
      files.close(plan.caseNumber);
      error = pack(failure);
    } finally {
      enter(STAGE.none);
    }
    if (error !== undefined) break;
  }
  const { user, system } = process.threadCpuUsage(cpu);
  return {
    busyMs: performance.now() - start,
    cpuMs: (user + system) / 1000,
    spent: [...touched].map((configuration) => ({ configuration, times: times[configuration] })),
    ...(error && { error }),
  };
}

function write({ entry, configuration, slot, plan }: SlotTask, scratch: number): void {
  ring.setSlotState(entry, slot, SLOT_STATE.writing);
  // Opening a case, and loading one that stays in memory, is reading, too.
  enter(STAGE.reading);
  const targets = recipes[configuration].targets.shapes.map((_, target) => ring.targetPointer(entry, configuration, slot, target));
  const place = { data: ring.dataPointer(entry, configuration, slot), targets, scratch };
  const { shape } = cases[plan.caseNumber];
  const open = (): OpenCase => files.get(plan.caseNumber);
  const source = residents.get(plan.caseNumber, shape, open, scratch) ?? open();
  const maker = makers[configuration];
  const foreground = maker.make(previous ? { ...source, previous: open().previous as OpenArray } : source, shape, plan, place);
  ring.setForeground(entry, slot, foreground);
  ring.setSeen(entry, slot, maker.seen);
  ring.setSlotState(entry, slot, SLOT_STATE.written);
}
