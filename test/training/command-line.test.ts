import { cpSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readNifti } from '../../src/formats/nifti.ts';
import { type CommandResult, commandLine } from '../fixtures/command-line.ts';
import { EXAMPLES } from '../fixtures/paths.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { tinyStore } from './tiny-training.ts';

const dir = temporaryFolder();
const store = join(dir, 'store');
const model = join(dir, 'model');
const voxfeed = commandLine(dir);
const SIZES = ['--iterations', '3', '--val-iterations', '1', '--workers', '1', '--precision', 'float32'];
const IMAGE = join(EXAMPLES, 'imagesTr/hippocampus_001_0000.nii.gz');

let first: CommandResult;
let second: CommandResult;
beforeAll(async () => {
  await tinyStore(dir);
  first = await voxfeed('train', store, '--fold', '0', '--epochs', '1', ...SIZES, '--out', model);
  process.env.XDG_CACHE_HOME = join(dir, 'cache');
  const again = ['--out', model, '--continue', '--autotune', 'on', '--json'];
  second = await voxfeed('train', store, '--fold', '0', '--epochs', '2', ...SIZES, ...again);
}, 400_000);

describe('voxfeed train', () => {
  it('shows the adapter, the cases and each epoch', () => {
    expect(first.stderr).not.toMatch(/error:/);
    expect(first.status).toBe(0);
    expect(first.stdout).toMatch(
      /3d_fullres, patch 16x16x16, batch 2, precision float32, .* of GPU memory\n(autotune: .*\n)?16 cases to train on, 4 to validate on, epochs 0 to 0\n/,
    );
    expect(first.stdout).toMatch(
      /epoch 0: loss -?\d\.\d{4}, validation -?\d\.\d{4}, pseudo-Dice Anterior [\d.-]+ Posterior [\d.-]+, moving mean [\d.]+ \(best so far\), [\d.]+ patches\/s, [\d.]+ ms a step, GPU waited [\d.]+ %/,
    );
  });

  it('continues, and keeps one whole checkpoint', () => {
    expect(second.status).toBe(0);
    const report = JSON.parse(second.stdout);
    expect(report.epoch).toBe(1);
    expect(second.stderr).toMatch(
      /^autotune: tiles of [1-9]\d* products measured in [\d.]+ s, of 0 known from before(, \d+ left for the next start)?$/m,
    );
    expect(readdirSync(join(dir, 'cache/voxfeed/tiles')).length).toBe(1);
    expect(report.losses.length).toBe(3);
    const checkpoint = JSON.parse(readFileSync(join(model, 'checkpoint.json'), 'utf8'));
    const networks = new Set([checkpoint.best.network, 'network-2.safetensors']);
    expect(readdirSync(model).sort()).toEqual([
      'checkpoint.json',
      'dataset.json',
      'momentum-2.safetensors',
      ...[...networks].sort(),
      'plans.json',
    ]);
    expect(checkpoint).toMatchObject({ format: 'voxfeed-checkpoint', epoch: 2, batches: { nextBatch: 6, validation: { nextBatch: 2 } } });
    expect(checkpoint.history.map(({ epoch }: { epoch: number }) => epoch)).toEqual([0, 1]);
  });

  it('with --gpu-info says what the adapter offers, and needs no data set', async () => {
    const { status, stdout } = await voxfeed('train', '--gpu-info');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^name: .+\n(.*\n)*features: .*shader-f16.*\n(.*\n)*matrixConfigs: .+\nprecision: (float32|mixed)\n/);
    const json = await voxfeed('train', '--gpu-info', '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({ name: expect.any(String), limits: { maxBufferSize: expect.any(Number) } });
    expect((await voxfeed('train')).stderr).toMatch(/missing required argument 'STORE_DIR'/);
  });

  it.each([
    [['--out', 'model'], 1, /it holds a training of 2 epochs\. Go on with --continue/],
    [['--out', 'elsewhere', '--continue'], 1, /there is no checkpoint\.json to continue from/],
    [['--out', 'elsewhere', '--fold', '9'], 1, /--fold: .*splits_final\.json has no fold 9/],
    [['--out', 'elsewhere', '--fold', 'x'], 2, /--fold: "x" is not a fold from 0 on/],
    [['--out', 'elsewhere', '--rank', '0', '--world-size', '2'], 2, /unknown option '--rank'/],
    [['--out', 'raw'], 1, /raw: it belongs to a raw data set/],
    [['--out', store], 1, /it is a store\. Choose another folder/],
    [['--out', 'elsewhere', '--configs', '3d_fullres'], 2, /unknown option '--configs'/],
    [['--out', 'elsewhere', '--autotune', 'maybe'], 2, /--autotune: "maybe" is not on or off/],
    [['--out', 'elsewhere', '--epochs', '0'], 2, /--epochs: 0 is not a whole number from 1/],
    [['--out', 'elsewhere', '--learning-rate', '0'], 2, /--learning-rate: 0 is not a number above 0/],
    [['--out', 'elsewhere', '--patch', '16,16,15', '--batch', '1'], 1, /cannot be halved as often.*multiple of \[2, 2, 2\]/],
  ])('refuses %j', async (words, status, message) => {
    mkdirSync(join(dir, 'raw/imagesTr'), { recursive: true });
    const found = await voxfeed('train', store, ...words, '--workers', '1');
    expect(found.stderr).toMatch(message);
    expect(found.status).toBe(status);
  });
});

describe('voxfeed predict', () => {
  it('labels an image in its own geometry, and draws truth beside prediction', async () => {
    const { status, stdout, stderr } = await voxfeed(
      'predict',
      IMAGE,
      '--model',
      model,
      '--out',
      'labels',
      '--truth',
      join(EXAMPLES, 'labelsTr'),
      '--json',
      '--disable-tta',
    );
    expect(stderr).not.toMatch(/error:/);
    expect(status).toBe(0);
    const report = JSON.parse(stdout);
    expect(report.cases[0]).toMatchObject({ case: 'hippocampus_001', path: join('labels', 'hippocampus_001.nii.gz') });
    expect(Object.keys(report.mean)).toEqual(['Anterior', 'Posterior']);
    const [image, found] = [await readNifti(IMAGE), await readNifti(join(dir, 'labels/hippocampus_001.nii.gz'))];
    expect({ shape: found.shape, spacing: found.spacing, affine: found.affine }).toEqual({
      shape: image.shape,
      spacing: image.spacing,
      affine: image.affine,
    });
    expect(found.data.every((label) => [0, 1, 2].includes(label))).toBe(true);
    expect(readFileSync(join(dir, report.picture)).subarray(1, 4).toString()).toBe('PNG');
  });

  it('averages folds over a folder of images, and says Dice of each case and class as JSON', async () => {
    for (const fold of [0, 1]) cpSync(model, join(dir, `folds/fold_${fold}`), { recursive: true });
    mkdirSync(join(dir, 'images'));
    for (const id of ['001', '024']) {
      const name = `hippocampus_${id}_0000.nii.gz`;
      cpSync(join(EXAMPLES, 'imagesTr', name), join(dir, 'images', name));
    }
    const flags = ['--truth', join(EXAMPLES, 'labelsTr'), '--json', '--disable-tta', '--folds', '0,1', '--checkpoint', 'final'];
    const { stderr, stdout } = await voxfeed('predict', 'images', '--model', 'folds', '--out', 'both', ...flags);
    expect(stderr).not.toMatch(/error:/);
    const report = JSON.parse(stdout);
    expect(report.cases.map((entry: { case: string }) => entry.case)).toEqual(['hippocampus_001', 'hippocampus_024']);
    for (const { dice } of report.cases) expect(Object.keys(dice)).toEqual(['Anterior', 'Posterior']);
    // The mean of a network and itself.
    const labels = async (folder: string) => (await readNifti(join(dir, folder, 'hippocampus_001.nii.gz'))).data;
    expect(await labels('both')).toEqual(await labels('labels'));
    const found = await labels('both');
    const hand = (await readNifti(join(EXAMPLES, 'labelsTr/hippocampus_001.nii.gz'))).data;
    const count = (is: (i: number) => boolean) => [...found.keys()].filter(is).length;
    const either = count((i) => found[i] === 1) + count((i) => hand[i] === 1);
    expect(report.cases[0].dice.Anterior).toBeCloseTo((2 * count((i) => found[i] === 1 && hand[i] === 1)) / either, 9);
  });

  it('writes over no image and no label by hand, and misses one before it begins', async () => {
    const name = 'hippocampus_001.nii.gz';
    mkdirSync(join(dir, 'hand'));
    cpSync(join(EXAMPLES, 'labelsTr', name), join(dir, 'hand', name));
    const before = readFileSync(join(dir, 'hand', name));
    const words = [IMAGE, '--model', model, '--disable-tta'];
    expect((await voxfeed('predict', ...words, '--out', 'hand', '--truth', 'hand')).stderr).toMatch(
      /hand.hippocampus_001\.nii\.gz: the predicted labels would be written over it/,
    );
    expect(readFileSync(join(dir, 'hand', name))).toEqual(before);
    const missed = await voxfeed('predict', ...words, '--out', 'none', '--truth', 'nowhere');
    expect(missed.stderr).toMatch(/nowhere.hippocampus_001\.nii\.gz: .*ENOENT/);
    expect(missed.stderr).not.toMatch(/%/);
  });

  it.each([
    [['images', IMAGE, '--model', model], 1, /hippocampus_001_0000\.nii\.gz: its labels would have the name of those of .*images/],
    [[IMAGE, '--model', model, '--folds', '0'], 1, /fold_0: there is no checkpoint\.json in it/],
    [[IMAGE, '--model', model, '--folds', '0,0'], 2, /--folds: "0,0" is not folds such as 0,1,2, each once, or all/],
    [[IMAGE, '--model', model, '--folds', 'first'], 2, /--folds: "first" is not folds such as 0,1,2, each once, or all/],
    [[IMAGE, '--model', model, '--checkpoint', 'latest'], 2, /--checkpoint: "latest" is not known\. Choose one of final, best/],
    [[IMAGE], 2, /--model DIR must be given/],
    [['--model', model], 2, /missing required argument 'IMAGE'/],
    [[IMAGE, '--model', '.'], 1, /there is no checkpoint\.json/],
    [['nothing.nii.gz', '--model', model], 1, /nothing\.nii\.gz: .*ENOENT/],
    [[join(EXAMPLES, 'dataset.json'), '--model', model], 1, /its name does not end in _0000\.nii\.gz/],
  ])('refuses %j', async (words, status, message) => {
    const found = await voxfeed('predict', ...words);
    expect(found.stderr).toMatch(message);
    expect(found.status).toBe(status);
  });
});
