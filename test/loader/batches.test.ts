import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ClosedError } from '../../src/common/errors.ts';
import { boxShape, type Triple, voxels } from '../../src/common/geometry.ts';
import type { Batch } from '../../src/loader/batch.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import { loaderFixture, SHAPES } from '../fixtures/loader.ts';
import { imageValue, makeStore } from '../fixtures/store.ts';
import { streamHashes } from '../fixtures/stream.ts';

const { dir, store, options } = await loaderFixture();

/** What a batch must hold, voxel by voxel, from its plans alone. */
function expectVoxels(
  batch: Batch,
  shapes: readonly Triple[],
  channels: number,
  label: (caseNumber: number, flat: number) => number,
): void {
  batch.plans.forEach(({ caseNumber, box }, slot) => {
    const [depth, height, width] = shapes[caseNumber];
    const size = boxShape(box);
    const count = voxels(size);
    let wrong = 0;
    for (let i = 0; i < count; i++) {
      const z = box.lower[0] + Math.floor(i / (size[1] * size[2]));
      const y = box.lower[1] + (Math.floor(i / size[2]) % size[1]);
      const x = box.lower[2] + (i % size[2]);
      const outside = z < 0 || y < 0 || x < 0 || z >= depth || y >= height || x >= width;
      const flat = (z * height + y) * width + x;
      for (let channel = 0; channel < channels; channel++) {
        if (batch.data[(slot * channels + channel) * count + i] !== (outside ? 0 : Math.fround(imageValue(caseNumber, channel, flat))))
          wrong++;
      }
      if (batch.target[slot * count + i] !== (outside ? -1 : label(caseNumber, flat))) wrong++;
    }
    expect(wrong, `sample ${slot} of batch ${batch.index}`).toBe(0);
  });
}

describe('batches', () => {
  const striped = (_: number, flat: number): number => flat % 3;

  it.each([
    { name: 'smaller than every volume', patchSize: [4, 5, 6], channels: 1 },
    { name: 'larger than every volume along some axes', patchSize: [24, 8, 33], channels: 1 },
    { name: 'larger than every volume', patchSize: [40, 40, 40], channels: 1 },
    { name: 'of one voxel', patchSize: [1, 1, 1], channels: 1 },
    { name: 'of several channels', patchSize: [8, 9, 10], channels: 3 },
    { name: 'in 2D', patchSize: [7, 12], channels: 2 },
  ])('hold the planned voxels, 0 and -1 outside: patches $name', async ({ patchSize, channels }) => {
    const shapes: Triple[] = [...SHAPES, [3, 300, 290]];
    const stripes = await makeStore(join(dir, `voxels-${patchSize.join('-')}-${channels}`), {
      shapes,
      channels,
      label: (c, z, y, x) => striped(c, (z * shapes[c][1] + y) * shapes[c][2] + x),
    });
    await using loader = await PatchLoader.create({ store: stripes, patchSize, batchSize: 5, seed: 3, workers: 2 });
    for (let i = 0; i < 8; i++) {
      using batch = await loader.next();
      expect(batch.dataShape).toEqual([5, channels, ...patchSize]);
      expect(batch.targetShape).toEqual([5, 1, ...patchSize]);
      expect(batch.data.length).toBe(voxels(batch.dataShape));
      expect(batch.target.length).toBe(voxels(batch.targetShape));
      expectVoxels(batch, shapes, channels, striped);
    }
  });

  it('hold labels above 127', async () => {
    const shapes: Triple[] = [[12, 12, 12]];
    const wide = await makeStore(join(dir, 'wide'), { shapes, labels: { background: 0, far: 300 }, label: (_, z) => (z % 2 ? 300 : -1) });
    expect(wide.index.labelDtype).toBe('int16');
    await using loader = await PatchLoader.create({ store: wide, patchSize: [5, 5, 19], batchSize: 2, workers: 1 });
    using batch = await loader.next();
    expectVoxels(batch, shapes, 1, (_, flat) => (Math.floor(flat / 144) % 2 ? 300 : -1));
    expect(batch.foreground).toEqual([true, true]);
  });

  it('say truly which samples hold foreground', async () => {
    await using loader = await PatchLoader.create(options);
    const seen = new Set<boolean>();
    for (let i = 0; i < 30; i++) {
      using batch = await loader.next();
      const size = voxels(batch.targetShape) / 6;
      batch.foreground.forEach((found, slot) => {
        seen.add(found);
        expect(found).toBe(batch.target.subarray(slot * size, (slot + 1) * size).some((label) => label > 0));
      });
    }
    expect(seen).toEqual(new Set([true, false]));
  });

  it('can be padded with edges or reflections instead of zeros', async () => {
    for (const padMode of ['edge', 'reflect'] as const) {
      await using loader = await PatchLoader.create({ ...options, patchSize: [24, 24, 40], padMode });
      using batch = await loader.next();
      // Every stored voxel is above 0, so whatever stands outside came from inside.
      expect(batch.data.every((value) => value > 0)).toBe(true);
      expect(batch.target.some((label) => label === -1)).toBe(true);
    }
  });

  it('come in plan order, under their numbers, with their case names', async () => {
    await using loader = await PatchLoader.create({ ...options, workers: 4 });
    for (let i = 0; i < 40; i++) {
      using batch = await loader.next();
      expect(batch.index).toBe(i);
      expect(batch.plans.map(({ sample }) => sample)).toEqual([0, 1, 2, 3, 4, 5].map((slot) => 6 * i + slot));
      expect(batch.keys).toEqual(batch.plans.map(({ caseNumber }) => store.cases[caseNumber].id));
    }
  });
});

describe('leases', () => {
  it('stay untouched while they are held, however far the stream goes on', async () => {
    await using loader = await PatchLoader.create({ ...options, ring: 4 });
    using held = await loader.next();
    const before = held.data.slice();
    await streamHashes(loader, 30);
    expect(held.data).toEqual(before);
  });

  it('end with disposal', async () => {
    await using loader = await PatchLoader.create(options);
    const batch = await loader.next();
    batch.dispose();
    batch.dispose();
    expect(() => batch.data).toThrow(ClosedError);
    expect(() => batch.target).toThrow(/batch 0: it was disposed/);
  });

  it('are the only back-pressure: a consumer that keeps all of them is told so', async () => {
    await using loader = await PatchLoader.create({ ...options, ring: 2 });
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    const held = [await loader.next(), await loader.next()];
    const third = loader.next();
    expect((await warned).message).toMatch(/All 2 batches of the ring are held/);
    held[0].dispose();
    expect((await third).index).toBe(2);
    held[1].dispose();
  });
});
