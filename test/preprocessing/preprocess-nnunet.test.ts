import {
  appendFileSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { NumpyArray } from '../../src/formats/pickle/numpy-array.ts';
import { readPickle } from '../../src/formats/pickle/read-pickle.ts';
import { encodePickle } from '../../src/formats/pickle/write-pickle.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { preprocessForNnunet } from '../../src/preprocessing/preprocess-nnunet.ts';
import { openStore } from '../../src/store/store.ts';
import { verifyStore } from '../../src/store/verify.ts';
import { readArray } from '../../src/store/whole-array.ts';
import { killInWrite } from '../fixtures/kill.ts';
import { writePlans } from '../fixtures/plans.ts';
import { makeRawDataset, type RawDatasetContent, randomCase, writeCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { contents, fileNames, identities } from './store-files.ts';

/** What nnU-Net's readers give of an image of 10 x 8 x 6 voxels of 1 x 2 x 3 mm whose axes run to posterior, inferior and right. */
const TURNED = {
  spacing: [2, 1, 3],
  shape: [8, 10, 6],
  original: [
    [0, 0, 3, 5],
    [-1, 0, 0, 6],
    [0, -2, 0, 7],
    [0, 0, 0, 1],
  ],
  turned: [
    [3, 0, 0, 5],
    [0, 1, 0, -3],
    [0, 0, 2, -7],
    [0, 0, 0, 1],
  ],
  sitk: { spacing: [3, 1, 2], origin: [-5, 3, -7], direction: [-1, 0, 0, 0, -1, 0, 0, 0, 1], original_orientation: 'PIR' },
};

const NAME = 'Dataset007_Test';
const FULLRES = 'nnUNetPlans_3d_fullres';
const WORKERS = { workers: 1 };
const IDS = ['a', 'b', 'c', 'd', 'e'];

/** Raw data, and plans of three configurations of which two share a folder. */
function prepare(content: Partial<RawDatasetContent> = {}, plans: Record<string, unknown> = {}) {
  const dir = temporaryFolder();
  const cases = content.cases ?? IDS.map((id, i) => ({ ...randomCase(id, [6, 7, 8 + i], { seed: i + 1, labels: 2 }), spacing: [2, 1, 1] }));
  const raw = makeRawDataset(join(dir, NAME), { labels: { background: 0, organ: 1, tumour: 2 }, ...content, cases });
  const configurations = {
    '2d': { data_identifier: 'nnUNetPlans_2d', patch_size: [4, 4], spacing: [1, 1] },
    '3d_cascade_fullres': { inherits_from: '3d_fullres', previous_stage: '3d_lowres' },
  };
  const more = { dataset_name: NAME, image_reader_writer: 'SimpleITKIO', ...plans };
  const path = writePlans(join(dir, 'plans.json'), { configurations, more });
  const out = join(dir, 'nnUNet_preprocessed');
  return { dir, raw, out, dataset: join(out, NAME), options: { ...WORKERS, plans: path } };
}

const properties = (path: string) => readPickle(path, readFileSync(path)) as Map<string, unknown>;

/** Puts a fingerprint there: reading cases for one takes long where they have much foreground. */
function fingerprinted(dataset: string): void {
  mkdirSync(dataset, { recursive: true });
  copyFileSync(join(shared.dataset, 'dataset_fingerprint.json'), join(dataset, 'dataset_fingerprint.json'));
}

/** For tests that leave the raw files alone: one data set, and what a run without interruption made of it. */
let shared: ReturnType<typeof prepare>;

beforeAll(async () => {
  shared = prepare();
  await preprocessForNnunet(shared.raw, shared.out, shared.options);
});

/** A copy of that, which the test may change. */
function finished() {
  const out = temporaryFolder();
  cpSync(shared.out, out, { recursive: true });
  return { ...shared, out, dataset: join(out, NAME) };
}

describe('what nnU-Net finds', () => {
  it('is the layout of nnUNet_preprocessed, a folder for each data_identifier', () => {
    const arrays = IDS.flatMap((id) => [`${id}.b2nd`, `${id}.pkl`, `${id}_seg.b2nd`]);
    const about = ['dataset.json', 'dataset_fingerprint.json', 'nnUNetPlans.json', 'splits_final.json'];
    expect(fileNames(shared.dataset).filter((name) => !name.startsWith('fingerprint_cache'))).toEqual(
      [
        ...about,
        ...IDS.map((id) => join('gt_segmentations', `${id}.nii.gz`)),
        ...['nnUNetPlans_2d', FULLRES].flatMap((folder) => arrays.map((name) => join(folder, name))),
      ].sort(),
    );
    expect(readFileSync(join(shared.dataset, 'dataset.json'))).toEqual(readFileSync(join(shared.raw, 'dataset.json')));
    for (const id of IDS)
      expect(readFileSync(join(shared.dataset, 'gt_segmentations', `${id}.nii.gz`))).toEqual(
        readFileSync(join(shared.raw, 'labelsTr', `${id}.nii.gz`)),
      );
  });

  it('has the voxels, locations and folds of a store', async () => {
    const store = join(temporaryFolder(), 'store');
    await preprocess(shared.raw, store, { ...shared.options, config: '3d_fullres' });
    const [ours, theirs] = [await openStore(store), await openStore(join(shared.dataset, FULLRES))];
    expect(theirs.cases.map(({ id, shape, locationsXxh64 }) => [id, shape, locationsXxh64])).toEqual(
      ours.cases.map(({ id, shape, locationsXxh64 }) => [id, shape, locationsXxh64]),
    );
    for (const { id } of ours.cases) {
      const image = readArray(join(shared.dataset, FULLRES, `${id}.b2nd`), 'b2nd', 'data');
      expect([image.dtype, image.data]).toEqual(['<f4', readArray(join(store, `${id}.npy`), 'npy', 'data').data]);
      const labels = readArray(join(shared.dataset, FULLRES, `${id}_seg.b2nd`), 'b2nd', 'seg');
      expect([labels.dtype, [...labels.data]]).toEqual(['<i2', [...readArray(join(store, `${id}_seg.npy`), 'npy', 'seg').data]]);
    }
    expect(readFileSync(join(shared.dataset, 'splits_final.json'))).toEqual(readFileSync(join(store, 'splits_final.json')));
    expect(await verifyStore(join(shared.dataset, FULLRES))).toMatchObject({ cases: 5, damaged: [] });
  });

  it.each(['SimpleITKIOWithReorient', 'NibabelIOWithReorient'])('can bring a prediction back that %s turned', async (reader) => {
    const image = Array.from({ length: 6 * 8 * 10 }, (_, i) => 1 + (i % 13));
    const place = { quaternion: [-0.5, 0.5, -0.5], origin: [5, 6, 7] } as const;
    const label = image.map((_, i) => Number(i % 10 > 6));
    const cases = [{ id: 'a', shape: [6, 8, 10], images: [image], label, spacing: [3, 2, 1], image: place, labelFile: place }];
    const { raw, out, dataset, options } = prepare({ cases }, { image_reader_writer: reader });
    fingerprinted(dataset);
    await preprocessForNnunet(raw, out, { ...options, configs: ['3d_fullres'] });
    const found = properties(join(dataset, FULLRES, 'a.pkl'));
    expect(found.get('spacing')).toEqual(TURNED.spacing);
    expect(found.get('shape_before_cropping')).toEqual(TURNED.shape);
    const [first] = found;
    const matrix = (rows: number[][]) => new NumpyArray('f8', [4, 4], Float64Array.from(rows.flat()));
    const { original, turned } = TURNED;
    if (reader === 'NibabelIOWithReorient')
      expect(first).toEqual([
        'nibabel_stuff',
        new Map([
          ['original_affine', matrix(original)],
          ['reoriented_affine', matrix(turned)],
        ]),
      ]);
    else expect(first).toEqual(['sitk_stuff', new Map<string, unknown>(Object.entries(TURNED.sitk))]);
  });

  it('can bring a prediction back: the place of a cropped, turned, resampled case in its image', async () => {
    const image = Array.from({ length: 6 * 8 * 10 }, (_, i) => (i % 10 > 1 && i >= 80 ? 1 + (i % 13) : 0));
    const label = image.map((value, i) => (value > 0 && i % 7 === 0 ? 1 : 0));
    // Turned so that x lies along y, y along z and z along x.
    const place = { quaternion: [0.5, 0.5, 0.5], origin: [5, 6, 7] } as const;
    const affine = [0, 0, 3, 5, 1, 0, 0, 6, 0, 2, 0, 7, 0, 0, 0, 1];
    const cases = [{ id: 'a', shape: [6, 8, 10], images: [image], label, spacing: [3, 2, 1], image: place, labelFile: place }];
    for (const reader of ['SimpleITKIO', 'NibabelIO']) {
      const { raw, out, dataset, options } = prepare(
        { cases },
        { image_reader_writer: reader, transpose_forward: [1, 2, 0], transpose_backward: [2, 0, 1] },
      );
      fingerprinted(dataset);
      const { notes } = await preprocessForNnunet(raw, out, { ...options, configs: ['3d_fullres'] });
      expect(notes).toEqual(['1 case is too few for five folds: no splits_final.json']);
      const found = properties(join(dataset, FULLRES, 'a.pkl'));
      expect([...found.keys()].slice(1)).toEqual([
        'spacing',
        'shape_before_cropping',
        'bbox_used_for_cropping',
        'shape_after_cropping_and_before_resampling',
        'class_locations',
        'voxfeed',
      ]);
      // Spacing in the order of the file, all else in that of the plans.
      expect(found.get('spacing')).toEqual([3, 2, 1]);
      expect(found.get('shape_before_cropping')).toEqual([8, 10, 6]);
      expect(found.get('bbox_used_for_cropping')).toEqual([
        [0, 8],
        [2, 10],
        [1, 6],
      ]);
      expect(found.get('shape_after_cropping_and_before_resampling')).toEqual([8, 8, 5]);
      const [first] = found;
      if (reader === 'NibabelIO')
        expect(first).toEqual(['nibabel_stuff', new Map([['original_affine', new NumpyArray('f8', [4, 4], Float64Array.from(affine))]])]);
      else
        expect(first).toEqual([
          'sitk_stuff',
          new Map([
            ['spacing', [1, 2, 3]],
            ['origin', [-5, -6, 7]],
            ['direction', [0, 0, -1, -1, 0, 0, 0, 1, 0]],
          ]),
        ]);
    }
  });

  it('keys class locations by label, by region, and by all that is annotated; what is missing has an empty list', async () => {
    const labels = { background: 0, whole: [1, 2], core: 2, none: 3, ignore: 4 };
    const cases = IDS.map((id, i) => randomCase(id, [5, 5, 5 + i], { seed: i + 1, labels: 2 }));
    const { raw, out, dataset, options } = prepare({ labels, cases, datasetJson: { regions_class_order: [1, 2, 3] } });
    fingerprinted(dataset);
    await preprocessForNnunet(raw, out, { ...options, configs: ['3d_fullres'] });
    const locations = [...(properties(join(dataset, FULLRES, 'b.pkl')).get('class_locations') as Map<unknown, unknown>)];
    expect(locations.map(([key]) => key)).toEqual([[1, 2], 2, 3, [-1, 0, 1, 2, 3]]);
    expect(locations[2][1]).toEqual([]);
    const { dtype, shape, data } = locations[1][1] as NumpyArray;
    expect([dtype, shape[1]]).toEqual(['i8', 4]);
    const stored = readArray(join(dataset, FULLRES, 'b_seg.b2nd'), 'b2nd', 'seg').data;
    const at = Array.from({ length: shape[0] }, (_, row) => [...data.subarray(4 * row, 4 * row + 4)]);
    expect(at.every(([channel, z, y, x]) => channel === 0 && stored[(z * 5 + y) * 6 + x] === 2)).toBe(true);
    expect(at.length).toBe([...stored].filter((label) => label === 2).length);
  });

  it('plans where there are none, for the planner that is asked for', async () => {
    const { raw, out, dataset } = prepare();
    const { configurations } = await preprocessForNnunet(raw, out, { ...WORKERS, planner: 'resenc-l', configs: ['3d_fullres'] });
    expect(configurations.map(({ dir, written }) => [dir, written])).toEqual([[join(dataset, FULLRES), 5]]);
    expect(fileNames(dataset)).toContain('nnUNetResEncUNetLPlans.json');
    // Those plans are followed from then on.
    expect((await preprocessForNnunet(raw, out, { ...WORKERS, configs: ['3d_fullres'] })).configurations[0].written).toBe(0);
    // nnU-Net's other planners have the same folder, and other patches.
    const again = await preprocessForNnunet(raw, out, { ...WORKERS, planner: 'default', configs: ['3d_fullres'] });
    expect(again.configurations[0].written).toBe(0);
  });
});

describe('a second run', () => {
  it('writes nothing, whichever of the two folders it is given', async () => {
    const { raw, out, dataset, options } = finished();
    const before = identities(out);
    for (const folder of [out, dataset]) {
      const { configurations } = await preprocessForNnunet(raw, folder, options);
      expect(configurations.map(({ name, written }) => [name, written])).toEqual([
        ['3d_fullres', 0],
        ['2d', 0],
      ]);
    }
    expect(identities(out)).toEqual(before);
  });

  it.each(['b.b2nd', 'b_seg.b2nd', 'b.pkl'])('after %s was deleted or cut off writes just that case', async (name) => {
    const { raw, out, dataset, options } = finished();
    const before = contents(out);
    const path = join(dataset, FULLRES, name);
    rmSync(path);
    expect((await preprocessForNnunet(raw, out, options)).configurations.map(({ written }) => written)).toEqual([1, 0]);
    if (name !== 'b.pkl') {
      truncateSync(path, 40);
      expect((await preprocessForNnunet(raw, out, options)).configurations.map(({ written }) => written)).toEqual([1, 0]);
    }
    expect(contents(out)).toEqual(before);
  });

  it('after a label changed writes its case, and the copy of the label', async () => {
    const { raw, out, dataset, options } = prepare();
    fingerprinted(dataset);
    await preprocessForNnunet(raw, out, options);
    writeCase(raw, { ...randomCase('c', [6, 7, 10], { seed: 9, labels: 2 }), spacing: [2, 1, 1] });
    const label = join(raw, 'labelsTr', 'c.nii.gz');
    const later = new Date(statSync(label).mtimeMs + 5000);
    utimesSync(label, later, later);
    expect((await preprocessForNnunet(raw, out, options)).configurations.map(({ written }) => written)).toEqual([1, 1]);
    expect(readFileSync(join(dataset, 'gt_segmentations', 'c.nii.gz'))).toEqual(readFileSync(label));
  });

  it.each([0, 3, 7])('killed in write %d of a worker, leaves what the next run completes', async (after) => {
    const { raw, out, dataset, options } = prepare();
    fingerprinted(dataset);
    const words = ['preprocess', raw, out, '--format', 'nnunet', '--plans', options.plans, '--workers', '1'];
    killInWrite(words, after, 'worker');
    await preprocessForNnunet(raw, out, options);
    const alone = join(temporaryFolder(), 'alone');
    fingerprinted(join(alone, NAME));
    await preprocessForNnunet(raw, alone, options);
    expect(contents(out)).toEqual(contents(alone));
  });
});

describe('refused', () => {
  const refusal = (run: Promise<unknown>) => expect(run).rejects;

  it('a data set that nnU-Net would not find', async () => {
    const raw = makeRawDataset(join(temporaryFolder(), 'mine'), { cases: [randomCase('a', [4, 4, 4])] });
    await refusal(preprocessForNnunet(raw, join(raw, '..', 'out'), WORKERS)).toThrow(/nnU-Net finds no data set of this name/);
  });

  it('regions that nnU-Net would not train', async () => {
    const { raw, out, options } = prepare({ labels: { background: 0, whole: [1, 2], core: 2 } });
    await refusal(preprocessForNnunet(raw, out, options)).toThrow(/"regions_class_order" is missing/);
  });

  it('plans of another data set, and a reader that is not here', async () => {
    const other = prepare({}, { dataset_name: 'Dataset008_Other' });
    await refusal(preprocessForNnunet(other.raw, other.out, other.options)).toThrow(/for Dataset008_Other, not for Dataset007_Test/);
    const turning = prepare({}, { image_reader_writer: 'Tiff3DIO' });
    await refusal(preprocessForNnunet(turning.raw, turning.out, turning.options)).toThrow(/have .nii.gz images read by "Tiff3DIO"/);
  });

  it('a case that another preprocessor wrote: it stays as it is', async () => {
    const { raw, out, dataset, options } = finished();
    const path = join(dataset, FULLRES, 'b.pkl');
    const found = properties(path);
    found.delete('voxfeed');
    writeFileSync(path, Buffer.concat(encodePickle(found)));
    const before = contents(out);
    await refusal(preprocessForNnunet(raw, out, options)).toThrow(/its case b was not written by voxfeed/);
    appendFileSync(path, 'x');
    await refusal(preprocessForNnunet(raw, out, options)).toThrow(/its case b was not written by voxfeed/);
    expect(Object.keys(contents(out))).toEqual(Object.keys(before));
  });

  it('cases of other plans, and files of other cases', async () => {
    const { raw, out, dataset, options } = finished();
    const plans = JSON.parse(readFileSync(options.plans, 'utf8'));
    plans.configurations['3d_fullres'].spacing = [1, 1, 2];
    const other = join(temporaryFolder(), 'plans.json');
    writeFileSync(other, JSON.stringify(plans));
    await refusal(preprocessForNnunet(raw, out, { ...options, plans: other })).toThrow(/its case a was written with other options/);
    writeFileSync(join(dataset, FULLRES, 'z.npz'), '');
    await refusal(preprocessForNnunet(raw, out, options)).toThrow(/z\.npz: it belongs to no case of the raw data set/);
  });

  it('the folder of the raw data set', async () => {
    const { raw, options } = shared;
    await refusal(preprocessForNnunet(raw, join(raw, '..'), options)).toThrow(/it belongs to a raw data set/);
  });

  it('the folder of another data set, or of a configuration', async () => {
    const { raw, dataset, options } = finished();
    const other = join(temporaryFolder(), 'Dataset008_Other');
    await refusal(preprocessForNnunet(raw, other, options)).toThrow(/it is the folder of a data set, and not of Dataset007_Test/);
    await refusal(preprocessForNnunet(raw, join(dataset, FULLRES), options)).toThrow(/nothing else may lie there/);
  });

  it('a configuration that the plans do not have', async () => {
    const { raw, out, options } = finished();
    await refusal(preprocessForNnunet(raw, out, { ...options, configs: ['3d_lowres'] })).toThrow(/there is no configuration "3d_lowres"/);
  });
});
