import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { planDataset } from '../../src/preprocessing/plan-dataset.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { preprocessForNnunet } from '../../src/preprocessing/preprocess-nnunet.ts';
import { imagePath, makeRawDataset, type RawCaseContent, randomCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const THICK = ['a', 'b', 'c', 'd'].map((id) => randomCase(id, [12, 13, 14], { sparse: true }));
const thin = (id: string, axis: number): RawCaseContent => ({
  ...randomCase(id, [12, 13, 14].with(axis, 3), { sparse: true }),
  spacing: [1, 1, 1].with(axis, 0.1),
});

describe('a case that resamples to nothing', () => {
  it.each([
    [0, '[0, 13, 14]'],
    [1, '[12, 0, 14]'],
    [2, '[12, 13, 0]'],
  ])('along axis %s is named by planning and by preprocessing, in the same words', async (axis, shape) => {
    const dir = temporaryFolder();
    const raw = makeRawDataset(join(dir, 'Dataset043_Thin'), { cases: [...THICK, thin('thin', axis)] });
    const refused = {
      name: 'CaseError',
      where: imagePath(raw, 'thin'),
      what: `nothing is left of a volume that is resampled to ${shape} voxels`,
      // The spacing of a file is a 32-bit number.
      action: expect.stringMatching(/^Check its spacing .* and that of the plans \[1, 1, 1\]$/),
    };
    await expect(planDataset(raw, { workers: 1 })).rejects.toMatchObject(refused);
    await expect(preprocess(raw, join(dir, 'store'), { workers: 1, config: '3d_fullres' })).rejects.toMatchObject(refused);
    await expect(preprocessForNnunet(raw, join(dir, 'nnunet'), { workers: 1, configs: ['3d_fullres'] })).rejects.toMatchObject(refused);
  });

  it('is named with the others of its kind', async () => {
    const raw = makeRawDataset(temporaryFolder(), { cases: [...THICK, thin('thin', 0), thin('thinner', 2)] });
    const where = ['thin', 'thinner'].map((id) => ({ name: 'CaseError', where: imagePath(raw, id) }));
    await expect(planDataset(raw, { workers: 1 })).rejects.toMatchObject({ name: 'CasesError', errors: where });
  });
});
