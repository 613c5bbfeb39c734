import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Plans } from '../../src/plans/plans.ts';
import { type PlanDatasetOptions, planDataset } from '../../src/preprocessing/plan-dataset.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import type { Progress } from '../../src/preprocessing/run-options.ts';
import { openStore } from '../../src/store/store.ts';
import { makeRawDataset, type RawDatasetContent, randomCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { contents, fileNames, identities, planFiles } from './store-files.ts';

const CASES = ['a', 'b', 'c'].map((id, i) => randomCase(id, [12, 14, 16 + i], { seed: i + 1, sparse: true }));

function prepare(content: Partial<RawDatasetContent> = {}) {
  const dir = temporaryFolder();
  const raw = makeRawDataset(join(dir, 'Dataset042_Organ'), { cases: CASES, ...content });
  const out = join(dir, 'out');
  return { dir, raw, out, run: (options: PlanDatasetOptions = {}) => planDataset(raw, { workers: 1, ...options }) };
}

const readJson = (...path: string[]) => JSON.parse(readFileSync(join(...path), 'utf8'));

describe('planning a data set', () => {
  it('writes fingerprint, plans, dataset.json and advice where there is a folder for them', async () => {
    const { raw, out, run } = prepare();
    const report = await run({ outDir: out });
    expect(fileNames(out)).toEqual([...planFiles(['a', 'b', 'c']), 'oversampling.json'].sort());
    expect(readJson(out, 'dataset_fingerprint.json')).toEqual(report.fingerprint);
    expect(readJson(out, 'nnUNetPlans.json')).toEqual(report.plans);
    expect(readJson(out, 'oversampling.json')).toEqual(report.oversampling);
    expect(readFileSync(join(out, 'dataset.json'))).toEqual(readFileSync(join(raw, 'dataset.json')));
    expect(report.plans).toMatchObject({ dataset_name: 'Dataset042_Organ', plans_name: 'nnUNetPlans', image_reader_writer: 'SimpleITKIO' });
    expect(Object.keys(report.plans.configurations)).toEqual(['2d', '3d_fullres']);
    expect(report.notes).toEqual([]);
  });

  it('writes nothing where there is none, and finds the same', async () => {
    const { dir, out, run } = prepare();
    const [written, told] = [await run({ outDir: out }), await run({ workers: 2 })];
    expect(told).toEqual(written);
    expect(readdirSync(dir).sort()).toEqual(['Dataset042_Organ', 'out']);
  });

  it('again leaves every file as it is', async () => {
    const { out, run } = prepare();
    await run({ outDir: out });
    const before = identities(out);
    await run({ outDir: out });
    expect(identities(out)).toEqual(before);
  });

  it('tells how far it is, reading first and then measuring', async () => {
    const { run } = prepare();
    const seen: Progress[] = [];
    await run({ onProgress: (progress) => seen.push(progress) });
    const steps = (phase: Progress['phase']) => [0, 1, 2, 3].map((done) => ({ phase, done, total: 3, kept: 0 }));
    expect(seen).toEqual([...steps('fingerprint'), ...steps('coverage')]);
  });

  it.each([
    ['default', 'nnUNetPlans', 'ExperimentPlanner'],
    ['resenc', 'nnUNetResEncUNetPlans', 'ResEncUNetPlanner'],
    ['resenc-m', 'nnUNetResEncUNetMPlans', 'nnUNetPlannerResEncM'],
    ['resenc-l', 'nnUNetResEncUNetLPlans', 'nnUNetPlannerResEncL'],
    ['resenc-xl', 'nnUNetResEncUNetXLPlans', 'nnUNetPlannerResEncXL'],
  ] as const)('with the planner %s writes %s', async (planner, name, className) => {
    const { out, run } = prepare({ cases: CASES.slice(0, 1) });
    const { plans } = await run({ outDir: out, planner });
    expect(plans).toMatchObject({ plans_name: name, experiment_planner_used: className });
    expect(readdirSync(out)).toContain(`${name}.json`);
  });

  it('with another planner leaves the plans that are there', async () => {
    const { out, run } = prepare({ cases: CASES.slice(0, 1) });
    await run({ outDir: out });
    const before = readFileSync(join(out, 'nnUNetPlans.json'));
    await run({ outDir: out, planner: 'resenc-m' });
    expect(readFileSync(join(out, 'nnUNetPlans.json'))).toEqual(before);
    expect(readdirSync(out).filter((name) => name.endsWith('Plans.json'))).toEqual(['nnUNetPlans.json', 'nnUNetResEncUNetMPlans.json']);
  });

  it('keeps the configurations that a user added, and makes its own anew', async () => {
    const { out, run } = prepare({ cases: CASES.slice(0, 1) });
    const { plans } = await run({ outDir: out });
    const mine = { inherits_from: '3d_fullres', batch_size: 5 };
    const edited = { ...plans.configurations['3d_fullres'], batch_size: 77 };
    const lowres = { ...plans.configurations['3d_fullres'], patch_size: [1, 1, 1] };
    const configurations = { mine, '3d_fullres': edited, '3d_lowres': lowres };
    writeFileSync(join(out, 'nnUNetPlans.json'), JSON.stringify({ ...plans, configurations }));
    const again = await run({ outDir: out });
    expect(again.plans.configurations).toEqual({ ...plans.configurations, mine });
    expect((readJson(out, 'nnUNetPlans.json') as Plans).configurations).toEqual(again.plans.configurations);
  });

  it('counts cases with no label of any kind, and says what there is nothing to learn from', async () => {
    const empty = CASES.map((entry) => ({ ...entry, label: new Uint8Array(entry.label.length) }));
    const { raw, out, run } = prepare({ channels: ['CT'], cases: empty });
    const { notes, fingerprint, plans, oversampling } = await run({ outDir: out });
    expect(notes).toEqual([`no label of ${raw} holds any foreground: there is nothing to learn from`]);
    expect(fingerprint.foreground_intensity_properties_per_channel).toEqual({});
    expect(plans.foreground_intensity_properties_per_channel).toEqual({});
    expect(oversampling.map(({ advice }) => advice.reason)).toEqual(['no case holds any foreground', 'no case holds any foreground']);
    const report = await preprocess(raw, out, { workers: 1 });
    expect(report.options.normalisation).toMatchObject([{ scheme: 'ct', mean: 0, std: 1 }]);
    expect((await openStore(out)).cases.map(({ locations }) => [...locations])).toEqual([[0], [0], [0]]);
  });

  it('says the same where all that is labelled is to be ignored', async () => {
    const cases = CASES.map((entry) => ({ ...entry, label: new Uint8Array(entry.label.length).fill(2) }));
    const { raw, run } = prepare({ labels: { background: 0, organ: 1, ignore: 2 }, cases });
    const { notes, oversampling } = await run();
    expect(notes).toEqual([`no label of ${raw} holds any foreground: there is nothing to learn from`]);
    expect(oversampling.map(({ advice }) => advice.reason)).toEqual(['no case holds any foreground', 'no case holds any foreground']);
  });

  it('of a single case works, without folds', async () => {
    const { raw, out, run } = prepare({ cases: CASES.slice(0, 1) });
    expect((await run({ outDir: out })).plans.original_median_shape_after_transp).toEqual([12, 14, 16]);
    expect((await preprocess(raw, out, { workers: 1 })).notes).toEqual([expect.stringContaining('1 case is too few')]);
  });
});

describe('planning that is refused', () => {
  it.each([
    ['planner', { planner: 'best' as 'default' }],
    ['gpuMemoryGb', { gpuMemoryGb: 0 }],
    ['workers', { workers: 0 }],
  ])('for its %s is so before any case is read', async (name, options) => {
    const { out, run } = prepare();
    const seen: Progress[] = [];
    const refused = run({ outDir: out, ...options, onProgress: (progress) => seen.push(progress) });
    await expect(refused).rejects.toMatchObject({ name: 'OptionError', where: name });
    expect(seen).toEqual([]);
    expect(existsSync(out)).toBe(false);
  });

  it('for a GPU that no patch fits into names the option', async () => {
    const { run } = prepare();
    await expect(run({ gpuMemoryGb: 1e-12 })).rejects.toMatchObject({ name: 'OptionError', where: 'gpuMemoryGb' });
  });

  it('for the store of another data set in its folder changes nothing', async () => {
    const { out, run } = prepare();
    mkdirSync(out);
    writeFileSync(join(out, 'voxfeed.json'), '{"name": "Other"}');
    const before = contents(out);
    await expect(run({ outDir: out })).rejects.toMatchObject({ name: 'StoreError', where: out });
    expect(contents(out)).toEqual(before);
  });

  it('for a file in the place of its folder names it', async () => {
    const { out, run } = prepare();
    writeFileSync(out, 'mine');
    await expect(run({ outDir: out })).rejects.toMatchObject({ name: 'FileError', where: out });
  });

  it('for plans in its folder that are damaged names them', async () => {
    const { out, run } = prepare();
    mkdirSync(out);
    writeFileSync(join(out, 'nnUNetPlans.json'), '{"plans_name":');
    await expect(run({ outDir: out })).rejects.toMatchObject({ name: 'PlansError', where: join(out, 'nnUNetPlans.json') });
    expect(readFileSync(join(out, 'nnUNetPlans.json'), 'utf8')).toBe('{"plans_name":');
  });
});
