import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { OptionError } from '../../src/common/errors.ts';
import { boxShape, voxels } from '../../src/common/geometry.ts';
import { encodeNpyHeader } from '../../src/formats/npy.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import type { LoaderOptions } from '../../src/loader/options/options.ts';
import { replay } from '../../src/loader/replay.ts';
import type { TargetArray } from '../../src/shared-memory/target-array.ts';
import { loaderFixture } from '../fixtures/loader.ts';
import { imageValue, makeStore } from '../fixtures/store.ts';

const { dir, store, options } = await loaderFixture();
const regional = await makeStore(join(dir, 'regional'), {
  shapes: store.cases.map(({ shape }) => shape),
  channels: 2,
  labels: { background: 0, whole: [1, 2], core: 2, ignore: 3 },
  label: (_, z, y, x) => (z + y + x) % 4,
});
const previousStage = join(dir, 'previous');
mkdirSync(previousStage);
for (const { id, shape } of store.cases) {
  const labels = Int8Array.from({ length: voxels(shape) }, (_, i) => i % 3);
  writeFileSync(join(previousStage, `${id}.npy`), Buffer.concat([encodeNpyHeader('|i1', shape), new Uint8Array(labels.buffer)]));
}

describe('a replayed sample', () => {
  it.each<[string, Partial<LoaderOptions>]>([
    ['as it is stored', {}],
    ['augmented', { augmentation: 'default' }],
    ['augmented as by DA5, padded with edges', { augmentation: 'da5', padMode: 'edge' }],
    ['in 2D', { patchSize: [9, 9], augmentation: 'default' }],
    ['with coarser targets', { augmentation: 'default', deepSupervision: [[1, 1, 1], [0.5, 0.5, 0.5]] }], // biome-ignore format: scales
    ['with regions and an ignore label', { store: regional, augmentation: 'default' }],
    ['in a cascade', { previousStage, augmentation: 'default' }],
    ['with an exposure', { exposure: { two: 0.7 } }],
  ])('%s is that of its batch, byte for byte', async (_, more) => {
    const all = { ...options, batchSize: 3, ...more };
    await using loader = await PatchLoader.create(all);
    for (let index = 0; index < 8; index++) {
      using batch = await loader.next();
      if (index % 3 !== 1) continue;
      for (let slot = 0; slot < 3; slot++) {
        const { plan, after } = await replay(all, 3 * index + slot);
        expect(plan).toEqual(batch.plans[slot]);
        const part = <T extends Float32Array | TargetArray>(array: T): T => {
          const size = array.length / 3;
          return array.slice(slot * size, (slot + 1) * size) as T;
        };
        expect(Buffer.from(after.data.buffer).equals(Buffer.from(part(batch.data).buffer))).toBe(true);
        expect(after.targets.length).toBe(batch.targets.length);
        for (const [i, target] of batch.targets.entries())
          expect(Buffer.from(after.targets[i].buffer).equals(Buffer.from(part(target).buffer))).toBe(true);
      }
    }
  });

  it('shows what it was made from', async () => {
    const { plan, before, after } = await replay({ ...options, previousStage, augmentation: 'default' }, 4_000_000_007);
    expect(before.box).toEqual(plan.crop);
    expect(boxShape(after.box)).toEqual([8, 9, 10]);
    const { caseNumber } = plan;
    const [depth, height, width] = store.cases[caseNumber].shape;
    const [, rows, columns] = boxShape(before.box);
    before.labels.forEach((label, i) => {
      const at = [Math.floor(i / rows / columns), Math.floor(i / columns) % rows, i % columns];
      const [z, y, x] = at.map((position, axis) => position + before.box.lower[axis]);
      const flat = (z * height + y) * width + x;
      const inside = z >= 0 && z < depth && y >= 0 && y < height && x >= 0 && x < width;
      expect(before.image[i]).toBe(inside ? imageValue(caseNumber, 0, flat) : 0);
      expect(before.previous?.[i]).toBe(inside ? flat % 3 : -1);
      expect(label >= 0).toBe(inside);
    });
  });

  it('can be had from a state, and of any rank', async () => {
    await using loader = await PatchLoader.create({ ...options, augmentation: 'default', rank: 1, worldSize: 2 });
    using batch = await loader.next();
    const state = JSON.parse(JSON.stringify(loader.state()));
    const { after, plan } = await replay({ store, state, rank: 0 }, 4);
    expect(plan).toEqual(batch.plans[1]);
    expect(after.data).toEqual(batch.data.slice(720, 1440));
    expect((await replay({ ...options, augmentation: 'default' }, 4)).after).toEqual(after);
  });

  it.each([-1, 1.5, 2 ** 53, Number.NaN])('is none at %s', async (sample) => {
    await expect(replay(options, sample)).rejects.toThrow(OptionError);
    await expect(replay(options, sample)).rejects.toThrow(/sample: .* is no position in a stream/);
  });
});
