import { publish } from '../common/channels.ts';
import { ClosedError, SampleError, unpack, VoxfeedError, WorkerError } from '../common/errors.ts';
import { boxShape, show } from '../common/geometry.ts';
import { PROGRESS, STAGE, type StageTimes } from '../common/progress.ts';
import type { SlotPlan } from '../sampling/slot-plan.ts';
import { type Ring, SLOT_STATE } from '../shared-memory/ring.ts';
import type { PatchAnswer, SlotTask } from './patch-task.ts';
import { Stall } from './watchdog.ts';
import { TASKS_PER_WORKER, type WorkerPool } from './worker-pool.ts';
import { SilentDeath } from './worker-thread.ts';

/**
 * A task should move at least this much, so that handing it out (0.1 to 0.3 ms) costs less than 5 % of doing it (about 8 ms);
 * `dispatch_fraction` of the bench shows what it costs.
 */
const TASK_BYTES = 32 * 1024 * 1024;
/** Samples that take long go in smaller tasks: a batch is not to wait for all that is in a task with it. */
const TASK_MS = 100;
/** What opening, planning and seeking cost for any sample, however small, in bytes that could have been moved instead. */
const SAMPLE_OVERHEAD_BYTES = 64 * 1024;

/** What a sample takes of a task: 1 is a whole one. */
function taskShare(sampleBytes: number): number {
  return (sampleBytes + SAMPLE_OVERHEAD_BYTES) / TASK_BYTES;
}

/** How many samples of `sampleBytes` make a task worth its dispatch. */
export function slotsPerTask(sampleBytes: number): number {
  return Math.max(1, Math.ceil(1 / taskShare(sampleBytes)));
}

/** A sample that fails with an error twice will fail again. */
const STRIKES = 2;
/** A thread that was ended says little about the sample it was at: only when that goes on is the sample to blame. */
const SILENT_STRIKES = 5;

/** A batch to be filled. */
export interface BatchPlan {
  /** A position in `Layout.configurations`. */
  configuration: number;
  plans: SlotPlan[];
}

export type StreamName = 'training' | 'validation';

/** The planned samples of one stream, in order. */
export interface Lane {
  name: StreamName;
  /** Since when somebody waits for a batch of the stream; Infinity if nobody does. */
  awaitedSince: () => number;
  queue: Work[];
  /** Batches so far. */
  batches: number;
}

interface Work extends SlotTask {
  plan: SlotPlan;
  failures: number;
  lane: Lane;
  batch: { first: boolean; remaining: number; done: PromiseWithResolvers<void> };
}

/**
 * Hands planned samples to workers and sees to it that each is written, whatever becomes of the worker. Plans are idempotent:
 * what was not written is simply handed out again. Only the sample that was being written when something went wrong is
 * suspected; the same sample again ends the run.
 */
export class Dispatcher {
  /** Time workers spent on tasks, in milliseconds, and what they computed of it. */
  busyMs = 0;
  cpuMs = 0;
  /** Samples that were written. */
  made = 0;
  /** Time that this thread spent on handing out samples and on looking at what became of them, in milliseconds. */
  dispatchMs = 0;
  /** What stages took in the workers, by configuration. */
  readonly stageTimes: StageTimes[] = [];
  /** Samples that were handed out again. */
  redone = 0;
  readonly #pool: WorkerPool;
  readonly #ring: Ring;
  readonly #caseIds: readonly string[];
  /** What a sample of each configuration takes of a task by its size; and by its time, where one has been made. */
  readonly #shares: number[];
  readonly #timeShares: (number | undefined)[] = [];
  readonly #lanes: Lane[] = [];
  /** Scratch regions that nobody uses: the permits. */
  readonly #scratches: number[];
  /** Those that threads hold which hang where nobody can end them. */
  #lost = 0;
  /** Tasks in the hands of the pool. */
  #underWay = 0;
  #closed = false;

  constructor(pool: WorkerPool, ring: Ring, caseIds: readonly string[]) {
    this.#pool = pool;
    this.#ring = ring;
    this.#caseIds = caseIds;
    const { layout } = ring;
    this.#shares = layout.configurations.map(({ sampleBytes }) => taskShare(sampleBytes));
    this.#scratches = Array.from({ length: layout.scratches }, (_, i) => i);
  }

  /** A lane for one more stream. The one that somebody waits for longest goes first; if nobody waits, the one opened first. */
  open(name: StreamName, awaitedSince: () => number): Lane {
    const lane: Lane = { name, awaitedSince, queue: [], batches: 0 };
    this.#lanes.push(lane);
    return lane;
  }

  /** Resolves when every sample of the batch is written. @throws SampleError, WorkerError, ClosedError */
  fill(lane: Lane, entry: number, { configuration, plans }: BatchPlan): Promise<void> {
    const batch = { first: lane.batches++ === 0, remaining: plans.length, done: Promise.withResolvers<void>() };
    if (this.#closed) batch.done.reject(closed());
    else if (this.#lost === this.#ring.layout.scratches) batch.done.reject(allHang());
    else plans.forEach((plan, slot) => void lane.queue.push({ entry, configuration, slot, plan, failures: 0, lane, batch }));
    this.handOut();
    return batch.done.promise;
  }

  /** Hands out what there are workers for. Every scratch region is a permit for one task. */
  handOut(): void {
    const start = performance.now();
    this.#handOutAll();
    this.dispatchMs += performance.now() - start;
  }

  #handOutAll(): void {
    while (!this.#closed && this.#scratches.length > 0 && this.#underWay < this.#pool.size * TASKS_PER_WORKER) {
      const busy = this.#lanes.filter(({ queue }) => queue.length > 0);
      if (busy.length === 0) return;
      const { queue } = busy.reduce((first, lane) => (lane.awaitedSince() < first.awaitedSince() ? lane : first));
      void this.#run(this.#take(queue), this.#scratches.pop() as number);
    }
  }

  /**
   * Samples for one task. A suspect goes alone, so that it cannot take others with it; the first batch of a stream goes without others,
   * so that it does not wait for them.
   */
  #take(queue: Work[]): Work[] {
    let count = 0;
    const [{ batch }] = queue;
    for (let filled = 0; count < queue.length && filled < 1; count++) {
      if (batch.first && queue[count].batch !== batch) break;
      if (queue[count].failures > 0) return queue.splice(0, Math.max(1, count));
      filled += this.#share(queue[count].configuration);
    }
    return queue.splice(0, count);
  }

  /** The first sample goes alone: nobody knows yet how long it takes. */
  #share(configuration: number): number {
    return Math.max(this.#shares[configuration], this.#timeShares[configuration] ?? 1);
  }

  async #run(work: Work[], scratch: number): Promise<void> {
    let cause: unknown = null;
    this.#underWay++;
    try {
      const slots = work.map(taskOf);
      const answer = await this.#pool.run({ scratch, slots: JSON.stringify(slots) });
      this.#count(answer, work);
      if (answer.error) cause = unpack(answer.error);
    } catch (error) {
      cause = error;
      this.#ring.forgetLoading();
    }
    this.#underWay--;
    if (cause instanceof Stall) this.#stalled(work, scratch, cause);
    else this.#scratches.push(scratch);
    const start = performance.now();
    this.#settle(work, cause);
    this.dispatchMs += performance.now() - start;
    this.handOut();
  }

  #count({ busyMs, cpuMs, spent, error }: PatchAnswer, work: readonly Work[]): void {
    publish('voxfeed:task', () => ({ samples: work.length, busyMs, cpuMs, error: error === undefined ? null : error.what }));
    this.busyMs += busyMs;
    this.cpuMs += cpuMs;
    for (const { configuration, times } of spent) {
      this.stageTimes[configuration] ??= new Float64Array(times.length);
      const sum = this.stageTimes[configuration];
      let ms = 0;
      for (const [i, time] of times.entries()) {
        sum[i] += time;
        if (i % 2 === 0) ms += time;
      }
      const samples = work.filter((item) => item.configuration === configuration).length;
      this.#timeShares[configuration] = ms / samples / TASK_MS;
    }
  }

  /** Says what stands still. What its thread may still write to is not used before that is gone. */
  #stalled(work: Work[], scratch: number, stall: Stall): void {
    const item = work.find(({ entry, slot }) => this.#ring.slotState(entry, slot) === SLOT_STATE.writing) ?? work[0];
    // A thread that stands still before its first sample: somebody must be to blame.
    this.#ring.setSlotState(item.entry, item.slot, SLOT_STATE.writing);
    stall.message += ` while ${stageOf(item, Atomics.load(this.#ring.progress(scratch), PROGRESS.stage))}`;
    publish('voxfeed:stall', () => ({ ...this.#sampleOf(item), reason: stall.message }));
    if (item.failures + 1 < STRIKES && !this.#closed)
      process.emitWarning(
        `${this.#nameOf(item)}: ${stall.message}. Its worker is replaced, and the sample made again; \`stallSeconds\` says how long to wait.`,
        'VoxfeedWarning',
      );
    this.#lost++;
    void stall.gone.then(() => {
      this.#lost--;
      this.#scratches.push(scratch);
      this.handOut();
    });
    if (this.#lost < this.#ring.layout.scratches) return;
    for (const { batch } of this.#lanes.flatMap(({ queue }) => queue.splice(0))) batch.done.reject(allHang());
  }

  #settle(work: Work[], cause: unknown): void {
    const again: Work[] = [];
    const [{ lane }] = work;
    for (const item of work) {
      const state = this.#ring.slotState(item.entry, item.slot);
      if (state === SLOT_STATE.written) {
        this.made++;
        publish('voxfeed:sample', () => {
          const { config } = this.#ring.layout.configurations[item.configuration];
          return { ...this.#sampleOf(item), config, tries: item.failures + 1 };
        });
        if (--item.batch.remaining === 0) item.batch.done.resolve();
      } else if (this.#closed) item.batch.done.reject(closed());
      else if (cause instanceof WorkerError) item.batch.done.reject(cause);
      else if (state === SLOT_STATE.writing && ++item.failures >= (cause instanceof SilentDeath ? SILENT_STRIKES : STRIKES))
        item.batch.done.reject(this.#sampleError(item, cause));
      else {
        this.#ring.setSlotState(item.entry, item.slot, SLOT_STATE.planned);
        again.push(item);
      }
    }
    this.redone += again.length;
    // In front: these belong to the oldest batch, which somebody is waiting for.
    lane.queue.unshift(...again);
  }

  #sampleOf({ lane, plan: { sample, caseNumber } }: Work): { stream: StreamName; sample: number; caseId: string } {
    return { stream: lane.name, sample, caseId: this.#caseIds[caseNumber] };
  }

  #nameOf({ lane, plan: { sample, caseNumber, box } }: Work): string {
    const stream = lane.name === 'training' ? '' : `${lane.name} `;
    return `${stream}sample ${sample} (case ${this.#caseIds[caseNumber]}, box from ${show(box.lower)}, shape ${show(boxShape(box))})`;
  }

  #sampleError(item: Work, cause: unknown): SampleError {
    const { message } = cause as Error;
    const { failures } = item;
    const action =
      cause instanceof VoxfeedError
        ? 'Mend what it names and continue from the last state'
        : 'Check the case; then continue from the last state';
    return new SampleError(
      this.#nameOf(item),
      `it failed ${failures === 2 ? 'twice' : `${failures} times`}, the last time with: ${message.replace(/\.$/, '')}`,
      action,
      { cause },
    );
  }

  /** Gives up what is queued and ends the workers, see `WorkerPool.close`. */
  async close(): Promise<boolean> {
    this.#closed = true;
    const reason = closed();
    for (const { batch } of this.#lanes.flatMap(({ queue }) => queue.splice(0))) batch.done.reject(reason);
    return this.#pool.close();
  }
}

function taskOf({ entry, configuration, slot, plan: { sample, caseNumber, crop, operations } }: Work): SlotTask {
  return { entry, configuration, slot, plan: { sample, caseNumber, crop, operations } };
}

/** What a worker does at a stage, in words. */
function stageOf({ plan: { operations } }: Work, stage: number): string {
  const warping = stage === STAGE.warpingImage || stage === STAGE.warpingLabels;
  const step = operations.find(({ step, transform }) => (warping ? transform === 'spatial' : step === stage - STAGE.step));
  if (step) return `step ${step.step} of the augmentation ('${step.transform}') was under way`;
  return stage === STAGE.targets ? 'its targets were written' : 'it was read';
}

function allHang(): WorkerError {
  return new WorkerError(
    'workers',
    'all of them hang in system calls',
    'Look for a file system that does not answer, then continue from the last state in a new process',
  );
}

function closed(): ClosedError {
  return new ClosedError('loader', 'it was closed before the batch was ready', 'Create a new loader; `state()` says where to continue');
}
