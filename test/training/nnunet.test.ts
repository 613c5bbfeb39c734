import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readNifti } from '../../src/formats/nifti.ts';
import type { ModelOptions } from '../../src/training/prediction/model.ts';
import { Predictor } from '../../src/training/prediction/predictor.ts';

// What nnU-Net's own predictor made of an image with these networks: bench/interop/prediction.py records it.
const RECORDED = join(import.meta.dirname, 'nnunet');
const IMAGE = [0, 1].map((channel) => join(RECORDED, `images/case_000${channel}.nii.gz`));
describe('a network that nnU-Net trained', () => {
  it.each<[string, string, ModelOptions, boolean]>([
    ['folds', 'plain', {}, false],
    ['one', 'plain', { folds: [0] }, true],
    ['slices', 'flat', {}, false],
    ['regions', 'residual', {}, false],
  ])('labels an image as nnU-Net does: %s', async (name, model, options, disableTta) => {
    const recorded = async (kind: string) => Int16Array.from((await readNifti(join(RECORDED, `labels/${name}${kind}.nii.gz`))).data);
    using predictor = await Predictor.open(join(RECORDED, model), options);
    const found = await predictor.predict(IMAGE, { disableTta });
    const expected = await recorded('-float32');
    expect(found).toEqual(expected);
    // As it is, nnU-Net adds logits as float16.
    const plain = await recorded('');
    expect(found.filter((label, i) => label !== plain[i]).length).toBeLessThan(0.01 * found.length);
    expect(new Set(expected).size).toBeGreaterThan(2);
  });

  it('labels it otherwise without mirrored windows, and by another fold', async () => {
    using predictor = await Predictor.open(join(RECORDED, 'plain'), { folds: [0] });
    using other = await Predictor.open(join(RECORDED, 'plain'), { folds: [1] });
    const plain = await predictor.predict(IMAGE, { disableTta: true });
    expect(await predictor.predict(IMAGE)).not.toEqual(plain);
    expect(await other.predict(IMAGE, { disableTta: true })).not.toEqual(plain);
  });
});
