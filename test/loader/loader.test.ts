import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { OptionError, StateError } from '../../src/common/errors.ts';
import type { Triple } from '../../src/common/geometry.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import { loaderFixture, SHAPES } from '../fixtures/loader.ts';
import { makeStore } from '../fixtures/store.ts';
import { streamHashes, undisturbedHashes } from '../fixtures/stream.ts';

const { dir, store, options } = await loaderFixture();

describe('the stream', () => {
  it('is the same whether cases come from memory, from files, or some from each', async () => {
    for (const [name, labels] of Object.entries({ narrow: { background: 0, far: 3 }, wide: { background: 0, far: 300 } })) {
      const shapes: Triple[] = [...SHAPES, [3, 300, 290]];
      const cached = await makeStore(join(dir, `cached-${name}`), {
        shapes,
        channels: 2,
        labels,
        label: (_, z, y, x) => ((z + y + x) % 5 === 0 ? labels.far : 0),
      });
      const streams: string[][] = [];
      for (const cacheBytes of [0, 60_000, 1e9]) {
        await using loader = await PatchLoader.create({ ...options, store: cached, cacheBytes });
        const { meaning } = loader.memory().parts.find((part) => part.name === 'resident cases') as { meaning: string };
        expect(meaning).toMatch({ 0: /^0 cases/, 60000: /^[12] cases/, 1e9: /^5 cases/ }[cacheBytes] as RegExp);
        streams.push(await streamHashes(loader, 40));
      }
      expect(streams[1]).toEqual(streams[0]);
      expect(streams[2]).toEqual(streams[0]);
    }
  });

  it('is the same for any number of workers, any ring and any timing', async () => {
    const expected = await undisturbedHashes({ ...options, workers: 1 }, 40);
    expect(new Set(expected).size).toBe(40);
    for (const variant of [{ workers: 2 }, { workers: 4 }, { workers: 3, ring: 1 }, { workers: 2, ring: 11 }]) {
      await using loader = await PatchLoader.create({ ...options, ...variant });
      expect(await streamHashes(loader, 40), JSON.stringify(variant)).toEqual(expected);
    }
  });

  it('changes with the seed', async () => {
    await using a = await PatchLoader.create(options);
    await using b = await PatchLoader.create({ ...options, seed: 8 });
    expect(await streamHashes(a, 1)).not.toEqual(await streamHashes(b, 1));
  });

  it('continues at any batch from a state that went through JSON', async () => {
    const expected = await undisturbedHashes(options, 30);
    for (const stop of [0, 1, 17]) {
      const first = await PatchLoader.create(options);
      await streamHashes(first, stop);
      const state = JSON.parse(JSON.stringify(first.state()));
      await first.close();
      expect(state.nextBatch).toBe(stop);
      await using second = await PatchLoader.create({ store, state, workers: 3 });
      expect(await streamHashes(second, 30 - stop)).toEqual(expected.slice(stop));
    }
  });

  it('refuses a state of other options or of another store', async () => {
    const loader = await PatchLoader.create(options);
    const state = loader.state();
    await loader.close();
    await expect(PatchLoader.create({ ...options, state, batchSize: 5 })).rejects.toThrow(StateError);
    await expect(PatchLoader.create({ ...options, state, batchSize: 5 })).rejects.toThrow(/saved with batchSize 6, the options say 5/);
    const other = await makeStore(join(dir, 'other'), { shapes: [[9, 9, 9]] });
    await expect(PatchLoader.create({ store: other, state })).rejects.toThrow(/another store/);
    await expect(PatchLoader.create({ ...options, state: {} as never })).rejects.toThrow(OptionError);
  });

  it('counts what it hands out', async () => {
    await using loader = await PatchLoader.create(options);
    let foreground = 0;
    for (let i = 0; i < 20; i++) {
      using batch = await loader.next();
      foreground += batch.foreground.filter(Boolean).length;
    }
    expect(loader.metrics()).toMatchObject({
      batches: 20,
      patches: 120,
      forced: 40,
      withForeground: foreground,
      redone: 0,
      workerRestarts: 0,
      workers: 2,
    });
    expect(loader.metrics().forcedWithoutForeground).toBeGreaterThan(0);
  });

  it('yields only random patches where no case has foreground', async () => {
    const empty = await makeStore(join(dir, 'empty'), { shapes: SHAPES, label: () => 0 });
    await using loader = await PatchLoader.create({ ...options, store: empty });
    using batch = await loader.next();
    expect(batch.plans.every(({ classNumber }) => classNumber === null)).toBe(true);
    expect(loader.metrics()).toMatchObject({ forced: 2, forcedWithoutForeground: 2, withForeground: 0 });
  });
});
