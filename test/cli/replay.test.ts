import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readNifti } from '../../src/formats/nifti.ts';
import { PatchLoader } from '../../src/loader/loader.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { openStore, type Store } from '../../src/store/store.ts';
import { commandLine } from '../fixtures/command-line.ts';
import { writePlans } from '../fixtures/plans.ts';
import { makeRawDataset, randomCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const dir = temporaryFolder();
const voxfeed = commandLine(dir);
let store: Store;

beforeAll(async () => {
  const cases = ['a', 'b', 'c'].map((id, i) => ({ ...randomCase(id, [9, 10, 12], { seed: i + 1, channels: 2 }), spacing: [3, 1, 1] }));
  makeRawDataset(join(dir, 'raw'), { channels: ['T1', 'T2'], cases });
  writeFileSync(join(dir, 'null.json'), 'null');
  const plans = writePlans(join(dir, 'plans.json'), {
    spacing: [3, 1, 1],
    patch: [4, 5, 6],
    batch: 3,
    normalisation: ['ZScoreNormalization', 'ZScoreNormalization'],
  });
  await preprocess(join(dir, 'raw'), join(dir, 'store'), { workers: 1, plans });
  store = await openStore(join(dir, 'store'));
});

const FILES = [
  'after_0000.nii.gz',
  'after_0001.nii.gz',
  'after_labels.nii.gz',
  'before_0000.nii.gz',
  'before_0001.nii.gz',
  'before_labels.nii.gz',
  'plan.json',
  'sample.png',
];

describe('voxfeed replay', () => {
  it('writes the sample of a stream: images, labels, plan and picture', async () => {
    const { status, stderr, stdout } = await voxfeed(
      'replay',
      'store',
      '--sample',
      '7',
      '--seed',
      '5',
      '--out',
      'made',
      '--augmentation',
      'default',
    );
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(stdout).toContain('after_labels.nii.gz');
    const made = join(dir, 'made');
    expect(readdirSync(made).sort()).toEqual(FILES);

    await using loader = await PatchLoader.create({ store, seed: 5, workers: 1, augmentation: 'default' });
    for (let i = 0; i < 2; i++) (await loader.next()).dispose();
    using batch = await loader.next();
    const plan = JSON.parse(readFileSync(join(made, 'plan.json'), 'utf8'));
    expect(plan).toEqual({ case: batch.keys[1], class: batch.plans[1].classNumber === null ? null : 'organ', ...batch.plans[1] });
    for (const channel of [0, 1]) {
      const { data, shape, spacing } = await readNifti(join(made, `after_000${channel}.nii.gz`));
      expect([shape, spacing]).toEqual([[4, 5, 6], [3, 1, 1]]); // biome-ignore format: two triples
      expect(data).toEqual(Float32Array.from(batch.data.subarray((2 + channel) * 120, (3 + channel) * 120)));
    }
    const { data: labels } = await readNifti(join(made, 'after_labels.nii.gz'));
    expect([...labels]).toEqual([...batch.target.subarray(120, 240)]);
    const { shape } = await readNifti(join(made, 'before_0000.nii.gz'));
    expect(shape).toEqual([0, 1, 2].map((axis) => plan.crop.upper[axis] - plan.crop.lower[axis]));
    expect(readFileSync(join(made, 'sample.png')).subarray(1, 4).toString()).toBe('PNG');

    // The same again, from a state.
    writeFileSync(join(dir, 'state.json'), JSON.stringify(loader.state()));
    const again = await voxfeed('replay', 'store', '--sample', '7', '--state', 'state.json', '--json');
    expect(again.stderr).toBe('');
    const answer = JSON.parse(again.stdout);
    expect(answer.dir).toBe(join(dir, 'replay-7'));
    expect([...answer.files].sort()).toEqual(FILES);
    for (const name of FILES) expect(readFileSync(join(answer.dir, name)).equals(readFileSync(join(made, name))), name).toBe(true);
  });

  it.each<[string, string[], number, RegExp]>([
    ['no sample', [], 2, /--sample must be given/],
    ['a sample that is no number', ['--sample', 'x'], 2, /--sample: "x" is not a whole number/],
    ['a sample before the first', ['--sample=-1'], 2, /--sample: -1 is not a whole number from 0/],
    [
      'a schedule that is none',
      ['--sample', '1', '--oversample', '0:a'],
      2,
      /--oversample: "0:a" is not a fraction from 0 to 1, auto, or such fractions by batch/,
    ],
    ['an exposure that is none', ['--sample', '1', '--exposure', 'organ'], 2, /--exposure: "organ" is not numbers by name/],
    ['an unknown class', ['--sample', '1', '--exposure', 'liver=0.4'], 1, /--exposure.liver: the data set has no such class/],
    ['a missing state', ['--sample', '1', '--state', 'nowhere.json'], 1, /nowhere.json: no such file/],
    ['a state that is null', ['--sample', '1', '--state', 'null.json'], 1, /null\.json: it is not the state of a loader/],
    ['a state that is none', ['--sample', '1', '--state', 'plans.json'], 1, /plans\.json: it is not the state of a loader/],
    ['an unknown preset', ['--sample', '1', '--augmentation', 'much'], 1, /there is no preset "much"/],
    [
      'a folder without a previous stage',
      ['--sample', '1', '--previous-stage', 'raw'],
      1,
      /no previous-stage segmentation of a and 2 other cases/,
    ],
  ])('refuses %s', async (_, words, status, message) => {
    // biome-ignore format: one line a case
    const answer = await voxfeed('replay', 'store', ...words);
    expect(answer.stderr).toMatch(message);
    expect(answer.status).toBe(status);
  });

  it('makes samples of a configuration of a mixed stream, and of validation', async () => {
    const splits = [{ train: ['a', 'b'], val: ['c'] }];
    writeFileSync(join(store.dir, 'splits_final.json'), JSON.stringify(splits));
    const mixed = ['--sample', '4', '--configs', '3d_fullres:2', '--fold', '0', '--validation', '--json'];
    const { status, stderr, stdout } = await voxfeed('replay', 'store', ...mixed, '--config', '3d_fullres', '--out', 'validated');
    expect([status, stderr]).toEqual([0, '']);
    await using loader = await PatchLoader.create({ store, fold: 0, validation: true, workers: 1 });
    (await loader.validation.next()).dispose();
    using batch = await loader.validation.next();
    expect(JSON.parse(stdout).plan).toEqual(JSON.parse(JSON.stringify(batch.plans[1])));
    expect((await voxfeed('replay', 'store', ...mixed, '--config', '2d', '--out', 'none')).stderr).toMatch(
      /--config: the stream has no configuration 2d/,
    );
  });

  it('and the others take what says how samples are drawn', async () => {
    const words = ['--oversample', '0:1,2:0', '--class-weights', 'organ=2', '--case-weights', 'a=0,b=0', '--probabilistic', 'realised'];
    const drawn = await voxfeed('replay', 'store', '--sample', '0', '--json', '--out', 'drawn', ...words);
    expect(JSON.parse(drawn.stdout).plan).toMatchObject({ caseNumber: 2, forced: true });
    const bench = await voxfeed(
      'bench',
      'store',
      '--batches',
      '3',
      '--workers',
      '1',
      '--exposure',
      'organ=1',
      '--json',
      '--rank',
      '1',
      '--world-size',
      '2',
    );
    expect(bench.status).toBe(0);
    const { exposure, foreground } = JSON.parse(bench.stdout);
    expect(exposure.organ).toEqual({ target: 1, realised: 1 });
    // Of three samples, rank 1 makes one.
    expect(foreground.patches).toBe(3);
    expect((await voxfeed('bench', 'store', '--batches', '2', '--workers', '1', '--exposure', 'organ=1')).stdout).toMatch(
      /exposure of organ +100.0 % of patches, wanted 100.0 %/,
    );
    expect((await voxfeed('bench', 'store', '--ranks', 'environment')).stderr).toMatch(/environment variable WORLD_SIZE is not set/);
  });
});
