import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PatchLoader } from '../../src/loader/loader.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { openStore } from '../../src/store/store.ts';
import { makeRawDataset, randomCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

describe('a data set of 2D images', () => {
  it('is planned, stored and streamed in 2D alone, resampled within the images', async () => {
    const dir = temporaryFolder();
    const cases = ['a', 'b', 'c'].map((id, i) => ({
      ...randomCase(id, [40, 50], { seed: i, sparse: true }),
      spacing: id === 'c' ? [1, 0.5] : [0.5, 0.5],
    }));
    const raw = makeRawDataset(join(dir, 'raw'), { cases });
    const report = await preprocess(raw, join(dir, 'store'), { workers: 2 });
    expect(report).toMatchObject({ configuration: '2d', patchSize: [40, 56] });
    const plans = JSON.parse(readFileSync(join(dir, 'store', 'nnUNetPlans.json'), 'utf8'));
    expect(Object.keys(plans.configurations)).toEqual(['2d']);
    expect(plans.configurations['2d']).toMatchObject({ spacing: [0.5, 0.5], median_image_size_in_voxels: [40, 50] });

    const store = await openStore(join(dir, 'store'));
    expect(store.cases.map(({ shape }) => shape)).toEqual([
      [1, 40, 50],
      [1, 40, 50],
      [1, 80, 50],
    ]);
    await using loader = await PatchLoader.create({ store, batchSize: 4, oversample: 'auto', workers: 1 });
    using batch = await loader.next();
    expect(batch.data.length).toBe(4 * 40 * 56);
  });
});
