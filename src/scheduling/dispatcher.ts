import { ClosedError, SampleError, unpack, VoxfeedError, WorkerError } from '../common/errors.ts';
import { boxShape, show } from '../common/geometry.ts';
import type { SlotPlan } from '../sampling/slot-plan.ts';
import { type Ring, SLOT_STATE } from '../shared-memory/ring.ts';
import type { SlotTask } from './patch-task.ts';
import { SilentDeath, type WorkerPool } from './worker-pool.ts';

/**
 * A task should move at least this much, so that handing it out (0.1 to 0.3 ms) costs less than 5 % of doing it (about 8 ms);
 * `dispatch_fraction` of the bench shows what it costs.
 */
const TASK_BYTES = 32 * 1024 * 1024;
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

/** The planned samples of one stream, in order. */
export interface Lane {
  /** What the stream's samples are called in errors. */
  name: string;
  /** Since when somebody waits for a batch of the stream; Infinity if nobody does. */
  awaitedSince: () => number;
  queue: Work[];
}

interface Work extends SlotTask {
  plan: SlotPlan;
  failures: number;
  lane: Lane;
  batch: { remaining: number; done: PromiseWithResolvers<void> };
}

/**
 * Hands planned samples to workers and sees to it that each is written, whatever becomes of the worker. Plans are idempotent:
 * what was not written is simply handed out again. Only the sample that was being written when something went wrong is
 * suspected; the same sample again ends the run.
 */
export class Dispatcher {
  /** Time workers spent on tasks, in milliseconds. */
  busyMs = 0;
  /** Samples that were handed out again. */
  redone = 0;
  readonly #pool: WorkerPool;
  readonly #ring: Ring;
  readonly #caseIds: readonly string[];
  /** What a sample of each configuration takes of a task. */
  readonly #shares: number[];
  readonly #lanes: Lane[] = [];
  readonly #scratches: number[];
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
  open(name: string, awaitedSince: () => number): Lane {
    const lane: Lane = { name, awaitedSince, queue: [] };
    this.#lanes.push(lane);
    return lane;
  }

  /** Resolves when every sample of the batch is written. @throws SampleError, WorkerError, ClosedError */
  fill(lane: Lane, entry: number, { configuration, plans }: BatchPlan): Promise<void> {
    const batch = { remaining: plans.length, done: Promise.withResolvers<void>() };
    if (this.#closed) batch.done.reject(closed());
    else plans.forEach((plan, slot) => void lane.queue.push({ entry, configuration, slot, plan, failures: 0, lane, batch }));
    this.#handOut();
    return batch.done.promise;
  }

  /** Every scratch region is a permit for one task. */
  #handOut(): void {
    while (!this.#closed && this.#scratches.length > 0) {
      const busy = this.#lanes.filter(({ queue }) => queue.length > 0);
      if (busy.length === 0) return;
      const { queue } = busy.reduce((first, lane) => (lane.awaitedSince() < first.awaitedSince() ? lane : first));
      void this.#run(this.#take(queue), this.#scratches.pop() as number);
    }
  }

  /** Samples for one task. A suspect goes alone, so that it cannot take others with it. */
  #take(queue: Work[]): Work[] {
    let count = 0;
    for (let filled = 0; count < queue.length && filled < 1; count++) {
      if (queue[count].failures > 0) return queue.splice(0, Math.max(1, count));
      filled += this.#shares[queue[count].configuration];
    }
    return queue.splice(0, count);
  }

  async #run(work: Work[], scratch: number): Promise<void> {
    let cause: unknown = null;
    try {
      const slots = work.map(taskOf);
      const answer = await this.#pool.run({ scratch, slots: JSON.stringify(slots) });
      this.busyMs += answer.busyMs;
      if (answer.error) cause = unpack(answer.error);
    } catch (error) {
      cause = error;
      this.#ring.forgetLoading();
    }
    this.#scratches.push(scratch);
    this.#settle(work, cause);
    this.#handOut();
  }

  #settle(work: Work[], cause: unknown): void {
    const again: Work[] = [];
    const [{ lane }] = work;
    for (const item of work) {
      const state = this.#ring.slotState(item.entry, item.slot);
      if (state === SLOT_STATE.written) {
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

  #sampleError({ lane, plan: { sample, caseNumber, box }, failures }: Work, cause: unknown): SampleError {
    const { message } = cause as Error;
    const action =
      cause instanceof VoxfeedError
        ? 'Mend what it names and continue from the last state'
        : 'Check the case; then continue from the last state';
    return new SampleError(
      `${lane.name}sample ${sample} (case ${this.#caseIds[caseNumber]}, box from ${show(box.lower)}, shape ${show(boxShape(box))})`,
      `it failed ${failures === 2 ? 'twice' : `${failures} times`}, the last time with: ${message.replace(/\.$/, '')}`,
      action,
      { cause },
    );
  }

  /** Gives up what is queued and ends the workers; resolves when they are gone. */
  async close(): Promise<void> {
    this.#closed = true;
    const reason = closed();
    for (const { batch } of this.#lanes.flatMap(({ queue }) => queue.splice(0))) batch.done.reject(reason);
    await this.#pool.close();
  }
}

function taskOf({ entry, configuration, slot, plan: { sample, caseNumber, crop, operations } }: Work): SlotTask {
  return { entry, configuration, slot, plan: { sample, caseNumber, crop, operations } };
}

function closed(): ClosedError {
  return new ClosedError('loader', 'it was closed before the batch was ready', 'Create a new loader; `state()` says where to continue');
}
