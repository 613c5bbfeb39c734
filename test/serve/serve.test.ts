import { once } from 'node:events';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PatchLoader } from '../../src/loader/loader.ts';
import { loaderFixture } from '../fixtures/loader.ts';
import { memfd } from '../fixtures/memfd.ts';
import { Served } from '../fixtures/served.ts';

const { dir, store, options } = await loaderFixture({ deepSupervision: [[1, 1, 1], [0.5, 0.5, 0.5]], augmentation: 'default' }); // biome-ignore format: scales
const { store: _, ...plain } = options;
const file = (name: string): number => openSync(join(dir, name), 'w+');

/** The first batches, as a loader in this process makes them. */
async function expected(count: number, of: 'training' | 'validation' = 'training', others: object = {}): Promise<Buffer[][]> {
  await using loader = await PatchLoader.create({ ...options, ...others });
  const batches: Buffer[][] = [];
  for (let i = 0; i < count; i++) {
    using batch = await loader[of].next();
    batches.push([batch.data, ...batch.targets].map((view) => Buffer.from(new Uint8Array(view.buffer, view.byteOffset, view.byteLength))));
  }
  return batches;
}

/** The first batches of a stream, each given back before the next one is looked at. */
async function received(served: Served, count: number, stream = 0): Promise<Buffer[][]> {
  const batches: Buffer[][] = [];
  while (batches.length < count) {
    const batch = await served.batch();
    if (batch.stream === stream) {
      expect(batch.index).toBe(batches.length);
      batches.push(served.read(batch));
    }
    served.say({ op: 'release', slot: batch.slot });
  }
  return batches;
}

describe('voxfeed serve', () => {
  it('maps the memory of the other process: its batches are those of a loader', async () => {
    const served = new Served(memfd());
    const ready = await served.open({ store: store.dir, options: plain, map: true });
    expect(ready).toMatchObject({ protocol: 1, copied: null, streams: [{ name: 'training', nextBatch: 0, epochLength: 250 }] });
    expect(await received(served, 12)).toEqual(await expected(12));
    expect(await served.end()).toBe(0);
  });

  it.each([
    ['it is told to', () => memfd(), { VOXFEED_NO_MAP: '1' }, { map: true }, 'VOXFEED_NO_MAP is set'],
    ['the file is on a disk', () => file('ring'), {}, {}, 'no file was given'],
  ])('copies batches where %s', async (_case, memory, env, request, why) => {
    const served = new Served(memory(), env);
    const ready = await served.open({ store: store.dir, options: plain, ...request });
    expect(ready).toMatchObject({ copied: why, streams: [{ slots: 3 }] });
    expect(ready.bytes).toBe(3 * ready.slotBytes);
    expect(await received(served, 12)).toEqual(await expected(12));
    expect(await served.end()).toBe(0);
  });

  it('pushes no more than there is room for, and never into a batch that is held', async () => {
    const served = new Served(memfd());
    const ready = await served.open({ store: store.dir, options: { ...plain, ring: 3 }, map: true });
    expect(ready.streams[0].slots).toBe(3);
    const held = [await served.batch(), await served.batch(), await served.batch()];
    const before = held.map((batch) => served.read(batch));
    served.say({ op: 'metrics', id: 1 });
    expect(await served.hear()).toMatchObject({ id: 1, metrics: { training: { batches: 3 } } });
    expect(held.map((batch) => served.read(batch))).toEqual(before);
    served.say({ op: 'release', slot: held[1].slot });
    expect(await served.batch()).toMatchObject({ index: 3, slot: held[1].slot });
    expect(served.read(held[0])).toEqual(before[0]);
  });

  it('streams validation beside training, skips, and tells its state for batches that were looked at', async () => {
    const others = { fold: 'all', validation: true, epochs: { training: 10, validation: 5 } };
    const served = new Served(memfd());
    const ready = await served.open({ store: store.dir, options: { ...plain, ...others }, map: true, start: { training: 4 } });
    expect(ready.streams).toMatchObject([
      { name: 'training', nextBatch: 4, epochLength: 10 },
      { name: 'validation', nextBatch: 0, epochLength: 5 },
    ]);
    expect(await received(served, 3, 1)).toEqual(await expected(3, 'validation', others));
    served.say({ op: 'skip', stream: 0, batch: 20 });
    for (let index = 4; index < 20; ) {
      const batch = await served.batch();
      if (batch.stream === 0) index = batch.index;
      served.say({ op: 'release', slot: batch.slot });
    }
    served.say({ op: 'state', id: 9, at: { training: 21, validation: 3 } });
    for (;;) {
      const message = await served.hear();
      if ('batch' in message) continue;
      expect(message).toMatchObject({ id: 9, state: { nextBatch: 21, validation: { nextBatch: 3 }, fold: 'all' } });
      break;
    }
  });

  it.each([true, false])('describes masks of a byte a voxel, mapped or copied: %s', async (map) => {
    const masks = { regions: true, targetType: 'bool' } as const;
    const served = new Served(memfd());
    const ready = await served.open({ store: store.dir, options: { ...plain, ...masks }, map });
    const { targets } = ready.configurations[0];
    expect(targets).toMatchObject([
      { dtype: 'bool', shape: [6, 2, 8, 9, 10] },
      { dtype: 'bool', shape: [6, 2, 4, 4, 5] },
    ]);
    expect(await received(served, 4)).toEqual(await expected(4, 'training', masks));
  });

  it('continues from a state', async () => {
    const first = new Served(memfd());
    await first.open({ store: store.dir, options: plain, map: true });
    first.say({ op: 'state', id: 1, at: { training: 8 } });
    let answer = await first.hear();
    while (!('id' in answer)) answer = await first.hear();
    const second = new Served(memfd());
    await second.open({ store: store.dir, options: { workers: 1 }, state: answer.state, map: true });
    const batch = await second.batch();
    expect(batch.index).toBe(8);
    expect(second.read(batch)).toEqual((await expected(9))[8]);
  });

  it.each([
    ['another version', { op: 'open', protocol: 99 }, 'VOXFEED_PROTOCOL', /the other side speaks version 99/],
    ['no loader yet', { op: 'release', slot: 0 }, 'VOXFEED_PROTOCOL', /nothing is open/],
    ['no store', { op: 'open', protocol: 1, store: join(dir, 'nowhere') }, 'VOXFEED_BAD_STORE', /nowhere/],
    ['an unknown option', { op: 'open', protocol: 1, store: store.dir, options: { ...plain, typo: 1 } }, 'VOXFEED_BAD_OPTION', /typo/],
    ['a bad start', { op: 'open', protocol: 1, store: store.dir, options: plain, start: { training: -1 } }, 'VOXFEED_BAD_OPTION', /-1/],
    ['no JSON', 'hello', 'VOXFEED_PROTOCOL', /no JSON: hello/],
  ])('refuses %s', async (_case, request, code, message) => {
    const served = new Served(memfd());
    served.say(request);
    const answer = await served.hear();
    expect(answer).toMatchObject({ failed: { error: { code } } });
    const { where, what, action } = (answer as unknown as { failed: { error: Record<string, string> } }).failed.error;
    expect(`${where}: ${what}. ${action}`).toMatch(message);
  });

  it('refuses a slot that holds no batch, and goes on', async () => {
    const served = new Served(memfd());
    await served.open({ store: store.dir, options: plain, map: true });
    const { slot } = await served.batch();
    served.say({ op: 'release', slot: slot + 100 });
    let message = await served.hear();
    while ('batch' in message) message = await served.hear();
    expect(message).toMatchObject({ failed: { error: { code: 'VOXFEED_PROTOCOL', what: `slot ${slot + 100} holds no batch` } } });
    served.say({ op: 'release', slot });
    expect(await served.batch()).toMatchObject({ stream: 0 });
  });

  it('ends when the socket is closed', async () => {
    const served = new Served(memfd());
    await served.open({ store: store.dir, options: plain, map: true });
    const exit = once(served.child, 'exit');
    served.hangUp();
    expect(await exit).toEqual([0, null]);
  });
});
