import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { OptionError, StateError } from '../../src/common/errors.ts';
import { voxels } from '../../src/common/geometry.ts';
import { type Dtype, encodeNpyHeader } from '../../src/formats/npy.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import type { LoaderOptions } from '../../src/loader/options/options.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { openStore } from '../../src/store/store.ts';
import { loaderFixture, SHAPES } from '../fixtures/loader.ts';
import { writePlans } from '../fixtures/plans.ts';
import { writePrevious } from '../fixtures/previous-stage.ts';
import { makeRawDataset, randomCase } from '../fixtures/raw-dataset.ts';
import { makeStore } from '../fixtures/store.ts';
import { streamHashes, undisturbedHashes } from '../fixtures/stream.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const { store, dir, options } = await loaderFixture();

let cascade: LoaderOptions;

beforeAll(() => {
  cascade = { ...options, previousStage: writePrevious(join(dir, 'previous'), store) };
});

describe('a cascade', () => {
  it("adds the previous stage's labels as channels, where the patch lies", async () => {
    await using loader = await PatchLoader.create(cascade);
    await using plain = await PatchLoader.create(options);
    for (let i = 0; i < 10; i++) {
      using batch = await loader.next();
      using alone = await plain.next();
      expect(batch.dataShape).toEqual([6, 3, 8, 9, 10]);
      expect(batch.plans.map(({ operations: _, ...plan }) => plan)).toEqual(alone.plans.map(({ operations: _, ...plan }) => plan));
      expect(batch.target).toEqual(alone.target);
      batch.plans.forEach(({ caseNumber, crop: { lower } }, slot) => {
        const at = slot * 3 * 720;
        expect(batch.data.slice(at, at + 720)).toEqual(alone.data.slice(slot * 720, slot * 720 + 720));
        const { shape } = store.cases[caseNumber];
        for (let voxel = 0; voxel < 720; voxel++) {
          const [z, y, x] = [Math.floor(voxel / 90) + lower[0], (Math.floor(voxel / 10) % 9) + lower[1], (voxel % 10) + lower[2]];
          const inside = z >= 0 && z < shape[0] && y >= 0 && y < shape[1] && x >= 0 && x < shape[2];
          const label = inside ? 1 + (z % 2) : 0;
          expect([batch.data[at + 720 + voxel], batch.data[at + 1440 + voxel]]).toEqual([Number(label === 1), Number(label === 2)]);
        }
      });
    }
  });

  it.each(['none', 'validation', 'default', 'da5'] as const)('makes one stream with augmentation %s', async (augmentation) => {
    const augmented = { ...cascade, augmentation };
    const expected = await undisturbedHashes({ ...augmented, workers: 1, cacheBytes: 0 }, 6);
    expect(await undisturbedHashes(augmented, 6)).toEqual(expected);
    expect(new Set(expected).size).toBe(6);
  });

  it('reads uint8 labels above 127 as what they are', async () => {
    const labels = { background: 0, one: 1, high: 200 };
    const wide = await makeStore(join(dir, 'wide'), { shapes: SHAPES, labels, label: (_, z, y) => (z > 4 && y > 5 ? 200 : 0) });
    const stage = (name: string, dtype: Dtype, made: (labels: number[]) => Uint8Array | Int16Array): string => {
      const folder = join(dir, name);
      mkdirSync(folder);
      for (const { id, shape } of wide.cases) {
        const previous = made(Array.from({ length: voxels(shape) }, (_, i) => (i % 7 < 3 ? 200 : 1)));
        writeFileSync(join(folder, `${id}.npy`), Buffer.concat([encodeNpyHeader(dtype, shape), new Uint8Array(previous.buffer)]));
      }
      return folder;
    };
    const [narrow, known] = [
      stage('bytes', '|u1', (labels) => Uint8Array.from(labels)),
      stage('words', '<i2', (labels) => Int16Array.from(labels)),
    ];
    for (const augmentation of ['none', 'default'] as const) {
      const wanted = { ...options, store: wide, augmentation };
      const expected = await undisturbedHashes({ ...wanted, previousStage: known }, 6);
      expect(await undisturbedHashes({ ...wanted, previousStage: narrow }, 6)).toEqual(expected);
    }
  });

  it('goes into states, which know the previous stage by its labels', async () => {
    await using first = await PatchLoader.create({ ...cascade, augmentation: 'default' });
    const expected = await streamHashes(first, 4);
    const state = JSON.parse(JSON.stringify({ ...first.state(), nextBatch: 2 }));
    const moved = writePrevious(join(dir, 'moved'), store);
    await using second = await PatchLoader.create({ store, state, workers: 1, previousStage: moved });
    expect(await streamHashes(second, 2)).toEqual(expected.slice(2));
    const other = writePrevious(join(dir, 'other'), store, 1);
    await expect(PatchLoader.create({ store, state, previousStage: other })).rejects.toThrow(/saved with another previous stage/);
    await expect(PatchLoader.create({ store, state })).rejects.toThrow(/no previous stage. Give `previousStage` too/);
    await using plain = await PatchLoader.create(options);
    const without = plain.state();
    await expect(PatchLoader.create({ ...cascade, augmentation: 'none', state: without })).rejects.toThrow(StateError);
  });

  it('must be complete, and is demanded by the configuration that has one', async () => {
    await expect(PatchLoader.create({ ...cascade, previousStage: temporaryFolder() })).rejects.toThrow(
      /no previous-stage segmentation of case_000 and 3 other/,
    );
    await expect(PatchLoader.create({ ...cascade, augmentation: [{ transform: 'noise' }] })).rejects.toThrow(/no oneHot step/);
    await expect(PatchLoader.create({ ...options, augmentation: [{ transform: 'oneHot', labels: [1, 2] }] })).rejects.toThrow(OptionError);

    const root = temporaryFolder();
    const raw = makeRawDataset(join(root, 'raw'), {
      labels: { background: 0, organ: 1, tumour: 2 },
      cases: [randomCase('a', [6, 7, 8], { labels: 2 }), randomCase('b', [7, 7, 7], { labels: 2 })],
    });
    const configurations = {
      '3d_lowres': { spacing: [2, 2, 2] },
      '3d_cascade_fullres': { inherits_from: '3d_fullres', previous_stage: '3d_lowres' },
    };
    await preprocess(raw, join(root, 'store'), { workers: 1, plans: writePlans(join(root, 'plans.json'), { configurations }) });
    const planned = await openStore(join(root, 'store'));
    const create = (more: Partial<LoaderOptions>) =>
      PatchLoader.create({ store: planned, workers: 1, config: '3d_cascade_fullres', augmentation: 'default', ...more });
    await expect(create({})).rejects.toThrow(/previousStage: 3d_cascade_fullres goes on from 3d_lowres/);
    await using loader = await create({ previousStage: writePrevious(join(root, 'previous'), planned) });
    using batch = await loader.next();
    expect(batch.dataShape).toEqual([2, 3, 4, 4, 4]);
  });
});
