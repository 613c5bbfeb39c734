import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, describe, expect, it } from 'vitest';
import type { VoxfeedEvents } from '../../src/common/channels.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import { faultyLoader, forgetFaults } from '../fixtures/faulty-loader.ts';
import { loaderFixture } from '../fixtures/loader.ts';

const { dir, options } = await loaderFixture();
const subscriptions: [string, (event: unknown) => void][] = [];

function listen<N extends keyof VoxfeedEvents>(name: N): VoxfeedEvents[N][] {
  const events: VoxfeedEvents[N][] = [];
  const hear = (event: unknown): void => void events.push(event as VoxfeedEvents[N]);
  subscribe(name, hear);
  subscriptions.push([name, hear]);
  return events;
}

afterEach(() => {
  for (const [name, hear] of subscriptions.splice(0)) unsubscribe(name, hear);
  forgetFaults();
});

describe('channels', () => {
  it('tell of batches and their samples, in order', async () => {
    const [loaders, batches, samples, tasks] = [
      listen('voxfeed:loader'),
      listen('voxfeed:batch'),
      listen('voxfeed:sample'),
      listen('voxfeed:task'),
    ];
    await using loader = await PatchLoader.create(options);
    const seen: number[] = [];
    for (let i = 0; i < 5; i++) {
      using batch = await loader.next();
      seen.push(...batch.plans.map(({ sample }) => sample));
    }
    expect(loaders.map((event) => event.loader)).toEqual([loader]);
    expect(batches.map(({ batch, epoch, stream, config, samples }) => [batch, epoch, stream, config, samples])).toEqual(
      [0, 1, 2, 3, 4].map((batch) => [batch, 0, 'training', '8x9x10', 6]),
    );
    for (const { fillMs, waitMs } of batches) {
      expect(fillMs).toBeGreaterThan(0);
      expect(waitMs).toBeGreaterThanOrEqual(0);
    }
    // Workers are ahead.
    expect(samples.map(({ sample }) => sample)).toEqual(expect.arrayContaining(seen));
    expect(samples.find(({ sample }) => sample === 0)).toMatchObject({ stream: 'training', config: '8x9x10', tries: 1 });
    expect(tasks.reduce((sum, task) => sum + task.samples, 0)).toBe(samples.length);
    expect(tasks.every(({ error }) => error === null)).toBe(true);
  });

  it('tell of a wait, and of whose hands the batches are in', async () => {
    const waits = listen('voxfeed:wait');
    await using loader = await PatchLoader.create({ ...options, ring: 2 });
    const held = [await loader.next(), await loader.next()];
    waits.length = 0;
    const third = loader.next();
    expect(waits).toEqual([{ stream: 'training', batch: 2, held: 2, ring: 2 }]);
    for (const batch of held) batch.dispose();
    (await third).dispose();
  });

  it('tell of deaths, of stalls, and of samples that took another try', async () => {
    const [deaths, stalls, samples] = [listen('voxfeed:death'), listen('voxfeed:stall'), listen('voxfeed:sample')];
    const faults = [
      { sample: 3, kind: 'exit' as const, times: 1 },
      { sample: 9, kind: 'loop' as const, times: 1 },
    ];
    await using loader = await faultyLoader(dir, faults, { ...options, stallSeconds: 1 });
    for (let i = 0; i < 4; i++) (await loader.next()).dispose();
    expect(deaths.map((death) => death.deaths)).toEqual([1, 2]);
    expect(deaths.map(({ reason }) => reason)).toEqual([expect.stringMatching(/exit/), expect.stringMatching(/no progress/)]);
    expect(stalls).toEqual([
      { stream: 'training', sample: 9, caseId: expect.stringMatching(/^case_/), reason: expect.stringMatching(/for 1 s/) },
    ]);
    expect(samples.filter(({ tries }) => tries > 1).map(({ sample }) => sample)).toEqual(expect.arrayContaining([3, 9]));
  });
});
