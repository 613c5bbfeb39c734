import { describe, expect, it } from 'vitest';
import type { SlotPlan } from '../../src/sampling/slot-plan.ts';
import { Dispatcher, type Lane, slotsPerTask } from '../../src/scheduling/dispatcher.ts';
import type { PatchAnswer, PatchTask, SlotTask } from '../../src/scheduling/patch-task.ts';
import type { WorkerPool } from '../../src/scheduling/worker-pool.ts';
import { computeLayout, type EntryOptions } from '../../src/shared-memory/layout.ts';
import { Ring, SLOT_STATE } from '../../src/shared-memory/ring.ts';

const square = (size: number): EntryOptions => ({
  config: `${size}x${size}x${size}`,
  batchSize: 4,
  patchSize: [size, size, size],
  patch: [size, size, size],
  targets: [[size, size, size]],
  targetChannels: 1,
  targetType: 'int16',
});

/** A dispatcher whose tasks wait until they are let go, one at a time, each sample of which takes so many milliseconds. */
function makeDispatcher(ms = 0) {
  const layout = computeLayout({
    rings: [4, 4],
    channels: 1,
    configurations: [square(160), square(8)],
    scratches: 1,
    scratchBytes: 64,
    labelBytes: 1,
    residentBytes: [],
  });
  const ring = new Ring(new SharedArrayBuffer(layout.totalBytes), layout);
  const tasks: { slots: SlotTask[]; finish: () => void }[] = [];
  const run = (task: PatchTask): Promise<PatchAnswer> =>
    new Promise((resolve) => {
      const slots = JSON.parse(task.slots) as SlotTask[];
      const finish = (): void => {
        for (const { entry, slot } of slots) ring.setSlotState(entry, slot, SLOT_STATE.written);
        const spent = [0, 1].flatMap((configuration) => {
          const samples = slots.filter((slot) => slot.configuration === configuration).length;
          return samples === 0 ? [] : [{ configuration, times: Float64Array.of(0, 0, samples * ms, samples) }];
        });
        resolve({ busyMs: slots.length * ms, cpuMs: slots.length * ms, spent });
      };
      tasks.push({ slots, finish });
    });
  const dispatcher = new Dispatcher({ run, size: 1, close: () => Promise.resolve(true) } as unknown as WorkerPool, ring, ['case']);
  const fill = (lane: Lane, entry: number, configuration: number) =>
    dispatcher.fill(lane, entry, { configuration, plans: Array.from({ length: 4 }, (_, sample) => ({ sample }) as SlotPlan) });
  /** Lets the oldest task go; returns the entries that the next one writes. */
  const next = async (): Promise<number[]> => {
    tasks.shift()?.finish();
    await new Promise((done) => setImmediate(done));
    return [...new Set(tasks[0]?.slots.map(({ entry }) => entry))];
  };
  /** Makes a batch of each configuration: from then on it is known how long they take. */
  const settle = async (lane: Lane): Promise<void> => {
    void fill(lane, 0, 0);
    void fill(lane, 1, 1);
    while ((await next()).length > 0);
  };
  return { dispatcher, fill, next, settle, tasks, layout };
}

describe('tasks', () => {
  it('are as many samples as are worth it, of whatever configuration comes next', async () => {
    const { dispatcher, fill, tasks, next, settle, layout } = makeDispatcher();
    const lane = dispatcher.open('training', () => Number.POSITIVE_INFINITY);
    await settle(lane);
    // 160 voxels cubed are two samples a task, 8 cubed hundreds: they all fit behind one large one.
    expect(layout.configurations.map(({ sampleBytes }) => slotsPerTask(sampleBytes))).toEqual([2, expect.any(Number)]);
    const first = fill(lane, 0, 0);
    void fill(lane, 1, 1);
    void fill(lane, 2, 1);
    void fill(lane, 3, 0);
    const seen = [tasks[0].slots];
    while ((await next()).length > 0) seen.push(tasks[0].slots);
    await first;
    expect(seen.map((slots) => slots.map(({ entry }) => entry).join(''))).toEqual(['00', '00', '11112222' + '33', '33']);
    expect(seen.flat().every(({ entry, configuration }) => configuration === (entry === 1 || entry === 2 ? 1 : 0))).toBe(true);
  });
});

describe('tasks of slow samples', () => {
  it('are as many as take 100 ms, and one where nobody knows', async () => {
    const { dispatcher, fill, tasks, next } = makeDispatcher(20);
    const lane = dispatcher.open('training', () => Number.POSITIVE_INFINITY);
    for (const entry of [0, 1, 2]) void fill(lane, entry, 1);
    const sizes = [tasks[0].slots.length];
    while ((await next()).length > 0) sizes.push(tasks[0].slots.length);
    // The rest of the first batch goes without others, which somebody would wait for.
    expect(sizes).toEqual([1, 3, 5, 3]);
  });
});

describe('streams', () => {
  it('that somebody waits for longest go first, then those that were opened first', async () => {
    const { dispatcher, fill, next, settle } = makeDispatcher();
    const nobody = Number.POSITIVE_INFINITY;
    const since = [nobody, nobody];
    const [training, validation] = (['training', 'validation'] as const).map((name, i) => dispatcher.open(name, () => since[i]));
    await settle(training);
    // Nothing else is there to do when the first validation batch comes: it is made ahead.
    void fill(validation, 4, 0);
    for (const entry of [0, 1]) void fill(training, entry, 0);
    void fill(validation, 5, 0);
    // Two samples a task: the rest of entry 4 lets training go first.
    expect(await next()).toEqual([0]);
    since[1] = 20;
    expect(await next()).toEqual([4]);
    // Whoever waits for training came later: it is not its turn yet.
    since[0] = 30;
    expect(await next()).toEqual([5]);
    since[1] = 40;
    expect(await next()).toEqual([0]);
    since[0] = nobody;
    expect(await next()).toEqual([5]);
    expect(await next()).toEqual([1]);
    expect(await next()).toEqual([1]);
    expect(await next()).toEqual([]);
  });
});
