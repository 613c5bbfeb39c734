import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CasesError } from '../../src/common/errors.ts';
import { planDataset } from '../../src/preprocessing/plan-dataset.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { preprocessForNnunet } from '../../src/preprocessing/preprocess-nnunet.ts';
import { writeNifti } from '../fixtures/nifti-file.ts';
import { imagePath, labelPath, makeRawDataset, type RawDatasetContent, randomCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const SHAPE = [4, 5, 6];
const cases = ['a', 'b', 'c'].map((id, i) => randomCase(id, SHAPE, { seed: i, sparse: true, channels: 2 }));

function prepare(content: Partial<RawDatasetContent> = {}) {
  const dir = temporaryFolder();
  const raw = makeRawDataset(join(dir, 'Dataset044_Odd'), { channels: ['T1', 'T2'], cases, ...content });
  return { dir, raw, json: join(raw, 'dataset.json') };
}

const refusal = (running: Promise<unknown>): Promise<CasesError> =>
  running.then(
    () => expect.fail('it was not refused'),
    (error) => error,
  );

const REGIONS = { background: 0, whole: [1, 2], core: 2 };
/** What nnU-Net 2.8.1's `verify_dataset_integrity` refuses, and whether its preprocessing does, too. */
const REFUSED: [string, Partial<RawDatasetContent>, boolean, string][] = [
  ['no background', { labels: { organ: 1 } }, true, '"labels" names no background'],
  ['a gap', { labels: { background: 0, organ: 1, other: 3 } }, false, 'labels are not consecutive: 3 does not follow the one before'],
  [
    'several gaps',
    { labels: { background: 0, organ: 1, other: 3, more: 4, last: 9, ignore: 10 } },
    false,
    'labels are not consecutive: 3, 9 do not follow the one before',
  ],
  ['regions without their order', { labels: REGIONS }, true, '"regions_class_order" is missing, without which nnU-Net trains no regions'],
  [
    'regions with too short an order',
    { labels: REGIONS, datasetJson: { regions_class_order: [1] } },
    true,
    '"regions_class_order" has 1 entries, there are 2 regions',
  ],
  [
    'channels of the first version',
    { datasetJson: { channel_names: undefined, modality: { 0: 'T1', 1: 'T2' } } },
    false,
    '"channel_names" is missing: channels are called "modality"',
  ],
];

describe('what nnU-Net refuses in dataset.json', () => {
  it.each(REFUSED)('%s, is refused with verify and noted without', async (_, content, always, what) => {
    const { dir, raw, json } = prepare(content);
    const out = join(dir, 'out');
    const refused = { name: 'DatasetError', where: json, what, action: expect.stringMatching(/\S/) };
    await expect(planDataset(raw, { workers: 1, verify: true, outDir: out })).rejects.toMatchObject(refused);
    await expect(preprocess(raw, out, { workers: 1, verify: true })).rejects.toMatchObject(refused);
    await expect(preprocessForNnunet(raw, out, { workers: 1, verify: true })).rejects.toMatchObject(refused);
    expect(existsSync(out)).toBe(false);
    const note = `${json}: ${what}. nnU-Net refuses that`;
    expect((await planDataset(raw, { workers: 1 })).notes).toContain(note);
    expect((await preprocess(raw, out, { workers: 1 })).notes).toContain(note);
    const writing = preprocessForNnunet(raw, join(dir, 'nnunet'), { workers: 1, configs: ['3d_fullres'] });
    if (always) await expect(writing).rejects.toMatchObject(refused);
    else expect((await writing).notes).toContain(note);
  });

  it('is nothing where all is well', async () => {
    const { raw } = prepare({ labels: REGIONS, datasetJson: { regions_class_order: [1, 2] } });
    expect((await planDataset(raw, { workers: 1, verify: true })).notes).toEqual([]);
  });
});

describe('verifying', () => {
  it('says all that is wrong in one list, with dataset.json and with every file of every case, and makes nothing', async () => {
    const { dir, raw, json } = prepare({ labels: { organ: 1, other: 3 }, datasetJson: { numTraining: 5 } });
    const voxels = new Array(120).fill(1);
    const strange = [...voxels.slice(1), 7];
    // Both channels and the label of one case, and the label of another.
    writeNifti(imagePath(raw, 'a', 0), { shape: SHAPE, data: voxels, spacing: [0, 1, 1] });
    writeNifti(imagePath(raw, 'a', 1), { shape: SHAPE, data: voxels, spacing: [1, 0, 1] });
    writeNifti(labelPath(raw, 'a'), { shape: SHAPE, data: strange, datatype: 'uint8' });
    writeNifti(labelPath(raw, 'c'), { shape: SHAPE, data: strange, datatype: 'uint8' });
    const out = join(dir, 'out');
    const options = { workers: 2, verify: true };
    for (const run of [() => planDataset(raw, { ...options, outDir: out }), () => preprocess(raw, out, options)]) {
      const { name, where, what, errors, message } = await refusal(run());
      expect([name, where, what]).toEqual(['CasesError', raw, '7 things are wrong with it']);
      expect(errors.map((error) => [error.where, error.what])).toEqual([
        [json, '"labels" names no background'],
        [json, 'labels are not consecutive: 3 does not follow the one before'],
        [json, 'numTraining is 5, 3 cases are there'],
        [imagePath(raw, 'a', 0), expect.stringContaining('spacing')],
        [imagePath(raw, 'a', 1), expect.stringContaining('spacing')],
        [labelPath(raw, 'a'), expect.stringContaining('the label value 7')],
        [labelPath(raw, 'c'), expect.stringContaining('the label value 7')],
      ]);
      for (const error of errors) expect(message).toContain(error.message);
    }
    expect(existsSync(out)).toBe(false);
  });

  it('says what is wrong with dataset.json beside files that are missing', async () => {
    const { raw, json } = prepare({ labels: { organ: 1 } });
    rmSync(labelPath(raw, 'b'));
    const { errors } = await refusal(planDataset(raw, { workers: 1, verify: true }));
    expect(errors.map(({ where }) => where)).toEqual([json, labelPath(raw, 'b')]);
  });
});
