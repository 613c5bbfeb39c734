import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type PreprocessOptions, preprocess } from '../../src/preprocessing/preprocess.ts';
import { openStore } from '../../src/store/store.ts';
import { type PlansContent, writePlans } from '../fixtures/plans.ts';
import { imagePath, makeRawDataset, type RawDatasetContent, randomCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { contents, fileNames, identities, readNpy } from './store-files.ts';

const CASES = ['a', 'b'].map((id, i) => randomCase(id, [6, 6, 6], { seed: i + 1, sparse: true }));

function prepare(content: Partial<RawDatasetContent> = {}) {
  const dir = temporaryFolder();
  const raw = makeRawDataset(join(dir, 'raw'), { cases: CASES, ...content });
  const out = join(dir, 'store');
  const planned = (plans: PlansContent) => writePlans(join(dir, 'given.json'), plans);
  return { dir, raw, out, planned, run: (options: PreprocessOptions = {}) => preprocess(raw, out, { workers: 1, ...options }) };
}

describe('plans that are given', () => {
  it('are followed without reading the cases before, and written beside them', async () => {
    const { out, planned, run } = prepare();
    const phases = new Set<string>();
    const plans = planned({ normalisation: ['NoNormalization'], patch: [4, 5, 6], batch: 3 });
    const report = await run({ plans, onProgress: ({ phase }) => phases.add(phase) });
    expect(report).toMatchObject({ configuration: '3d_fullres', patchSize: [4, 5, 6], batchSize: 3 });
    expect([...phases]).toEqual(['preprocess']);
    expect(readNpy(out, 'a.npy').data).toEqual(CASES[0].images[0]);
    expect(fileNames(out).filter((name) => name.endsWith('.json'))).toEqual(['dataset.json', 'nnUNetPlans.json', 'voxfeed.json']);
    expect(JSON.parse(readFileSync(join(out, 'nnUNetPlans.json'), 'utf8'))).toEqual(JSON.parse(readFileSync(plans, 'utf8')));
    expect((await openStore(out)).index).toMatchObject({ configuration: '3d_fullres', plans: 'nnUNetPlans.json' });
  });

  it('need not be given again', async () => {
    const { out, planned, run } = prepare();
    await run({ plans: planned({ normalisation: ['NoNormalization'] }) });
    const before = identities(out);
    expect(await run()).toMatchObject({ written: 0, configuration: '3d_fullres' });
    expect(identities(out)).toEqual(before);
  });

  it.each(['nnUNetPlans', 'nnUNetResEncUNetLPlans', 'myown'])('need not be given again under the name %s', async (name) => {
    const { out, planned, run } = prepare();
    await run({ plans: planned({ name, spacing: [2, 1, 1] }) });
    expect(readdirSync(out)).toContain(`${name}.json`);
    expect(await run()).toMatchObject({ written: 0 });
    expect((await openStore(out)).cases[0].shape).toEqual([3, 6, 6]);
  });

  it('may have a configuration chosen, and 2d is it where there is nothing else', async () => {
    const { planned, run } = prepare();
    const flat = { patch_size: [3, 3], spacing: [2, 2], batch_size: 9 };
    expect(await run({ plans: planned({ configurations: { '2d': flat } }), config: '2d' })).toMatchObject({
      configuration: '2d',
      patchSize: [3, 3],
      batchSize: 9,
    });
    const only = prepare();
    const plans = only.planned({
      more: { configurations: { '2d': { ...flat, normalization_schemes: ['NoNormalization'], use_mask_for_norm: [false] } } },
    });
    expect(await only.run({ plans })).toMatchObject({ configuration: '2d' });
  });

  it('may have a configuration that is not followed and cannot be', async () => {
    const { planned, run } = prepare();
    const theirs = { preprocessor_name: 'TheirPreprocessor' };
    expect(await run({ plans: planned({ configurations: { theirs } }) })).toMatchObject({ written: 2 });
  });

  it.each<[string, PlansContent, PreprocessOptions, string]>([
    ['another number of channels', { normalisation: ['NoNormalization', 'CTNormalization'] }, {}, 'they are for 2 channels'],
    ['no such configuration', {}, { config: '3d_lowres' }, 'there is no configuration "3d_lowres"'],
    ['a patch of zero', { patch: [4, 4, 0] }, {}, '"patch_size" is [4,4,0]'],
  ])('are refused with their file, and nothing is written: %s', async (_, content, options, what) => {
    const { out, planned, run } = prepare();
    const plans = planned(content);
    await expect(run({ plans, ...options })).rejects.toMatchObject({
      name: 'PlansError',
      where: plans,
      what: expect.stringContaining(what),
    });
    expect(existsSync(out)).toBe(false);
  });

  it('are refused where they are missing', async () => {
    const { dir, out, run } = prepare();
    const plans = join(dir, 'nowhere.json');
    await expect(run({ plans })).rejects.toMatchObject({ name: 'FileError', where: plans });
    expect(existsSync(out)).toBe(false);
  });

  it('for a spacing that leaves no voxel of a case are refused with that case', async () => {
    const thin = randomCase('thin', [1, 6, 6], { sparse: true });
    const { raw, out, planned, run } = prepare({ cases: [...CASES, thin] });
    await expect(run({ plans: planned({ spacing: [4, 1, 1] }) })).rejects.toMatchObject({
      name: 'CaseError',
      where: imagePath(raw, 'thin'),
    });
    expect(existsSync(join(out, 'voxfeed.json'))).toBe(false);
  });
});

describe('plans in the folder', () => {
  it('are followed where they are edited, as long as there is nothing else there yet', async () => {
    const { dir, raw, planned } = prepare();
    const out = temporaryFolder();
    writePlans(join(out, 'nnUNetPlans.json'), { spacing: [1, 2, 1], batch: 7 });
    expect(await preprocess(raw, out, { workers: 1 })).toMatchObject({ batchSize: 7, options: { spacing: [1, 2, 1] } });
    // The cases there have another spacing.
    writePlans(join(out, 'nnUNetPlans.json'), { spacing: [1, 1, 1], batch: 7 });
    const before = contents(out);
    const refused = { name: 'StoreError', where: out, what: expect.stringContaining('case a was written with other options') };
    await expect(preprocess(raw, out, { workers: 1 })).rejects.toMatchObject(refused);
    await expect(preprocess(raw, out, { workers: 1, plans: planned({ spacing: [3, 1, 1] }) })).rejects.toMatchObject(refused);
    expect(contents(out)).toEqual(before);
    expect(await preprocess(raw, join(dir, 'other'), { workers: 1, plans: join(out, 'nnUNetPlans.json') })).toMatchObject({ written: 2 });
  });

  it('may change batch and patch without any case being written again, but for what is measured of patches', async () => {
    const { out, planned, run } = prepare();
    await run({ plans: planned({}) });
    const before = identities(out);
    writePlans(join(out, 'nnUNetPlans.json'), { batch: 11 });
    expect(await run()).toMatchObject({ written: 0, batchSize: 11 });
    expect(identities(out)['a.npy']).toBe(before['a.npy']);
    writePlans(join(out, 'nnUNetPlans.json'), { batch: 11, patch: [2, 2, 2] });
    expect(await run()).toMatchObject({ written: 2, patchSize: [2, 2, 2] });
    expect((await openStore(out)).index.coverage.map(({ patch }) => patch)).toEqual([[2, 2, 2]]);
  });

  it('are refused where there are several, and the one that is given is followed', async () => {
    const { raw } = prepare();
    const out = temporaryFolder();
    const names = ['nnUNetPlans', 'nnUNetResEncUNetMPlans'];
    for (const name of names) writePlans(join(out, `${name}.json`), { name, batch: name.length });
    await expect(preprocess(raw, out, { workers: 1 })).rejects.toMatchObject({
      name: 'OptionError',
      where: 'plans',
      what: `${out} holds several: ${names.map((name) => `${name}.json`).join(', ')}`,
      action: expect.stringMatching(/\S/),
    });
    const report = await preprocess(raw, out, { workers: 1, plans: join(out, `${names[1]}.json`) });
    expect(report.batchSize).toBe(names[1].length);
  });

  it('are refused where they are damaged, with their name', async () => {
    const { raw } = prepare();
    const out = temporaryFolder();
    writeFileSync(join(out, 'nnUNetPlans.json'), '{"plans_name": ');
    await expect(preprocess(raw, out, { workers: 1 })).rejects.toMatchObject({ name: 'PlansError', where: join(out, 'nnUNetPlans.json') });
  });

  it.each([
    ['channels', { channel_names: { 0: 'CT' } }],
    ['labels', { labels: { background: 0, organ: 1, tumour: 2 } }],
    ['ignore label', { labels: { background: 0, organ: 1, ignore: 2 } }],
  ])('are refused once dataset.json has other %s than they were made for', async (_, datasetJson) => {
    const { raw, out, run } = prepare();
    await run();
    const before = contents(out);
    makeRawDataset(raw, { cases: [], datasetJson: { numTraining: 2, ...datasetJson } });
    await expect(run()).rejects.toMatchObject({
      name: 'StoreError',
      where: out,
      what: expect.stringContaining('channels or labels'),
      action: expect.stringMatching(/folder/),
    });
    expect(contents(out)).toEqual(before);
  });

  it('are followed where only words in dataset.json changed', async () => {
    const { raw, out, run } = prepare();
    await run();
    makeRawDataset(raw, { cases: [], datasetJson: { numTraining: 2, description: 'more about it' } });
    expect(await run()).toMatchObject({ written: 0 });
    expect(readFileSync(join(out, 'dataset.json'))).toEqual(readFileSync(join(raw, 'dataset.json')));
  });
});
