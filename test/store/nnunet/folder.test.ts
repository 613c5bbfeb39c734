import { cpSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeNpyHeader } from '../../../src/formats/npy.ts';
import { NumpyArray } from '../../../src/formats/pickle/numpy-array.ts';
import { readPickle } from '../../../src/formats/pickle/read-pickle.ts';
import { encodePickle } from '../../../src/formats/pickle/write-pickle.ts';
import { preprocess } from '../../../src/preprocessing/preprocess.ts';
import { writeStore } from '../../../src/preprocessing/write-store.ts';
import type { ArrayFormat } from '../../../src/store/file-names.ts';
import { openStore, type Store } from '../../../src/store/store.ts';
import { storeConfiguration } from '../../../src/store/store-configuration.ts';
import { IDENTIFIER, nnunetFolderOf } from '../../fixtures/nnunet-folder.ts';
import { makeRawDataset, randomCase } from '../../fixtures/raw-dataset.ts';
import { makeStore } from '../../fixtures/store.ts';
import { temporaryFolder } from '../../fixtures/temporary-folder.ts';

const FORMATS: ArrayFormat[] = ['npy', 'npz', 'b2nd'];

let ours: Store;
let given: Record<string, string>;

beforeAll(async () => {
  const dir = temporaryFolder();
  ours = await makeStore(join(dir, 'store'), {
    shapes: [
      [12, 20, 17],
      [9, 11, 30],
      [10, 14, 12],
    ],
    channels: 2,
  });
  given = Object.fromEntries(FORMATS.map((format) => [format, nnunetFolderOf(ours, join(dir, format), format)]));
});

/** A copy of nnU-Net's folder, with the one above. */
function copy(format: ArrayFormat = 'npz') {
  const above = temporaryFolder();
  cpSync(dirname(given[format]), above, { recursive: true, preserveTimestamps: true });
  const dir = join(above, IDENTIFIER);
  return { above, dir, path: (name: string) => join(dir, name), cache: join(above, 'voxfeed_cache', IDENTIFIER) };
}

/** Changes what a case's pickle says. */
function change(path: string, properties: Record<string, unknown>): void {
  const before = readPickle(path, readFileSync(path)) as Map<string, unknown>;
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined) before.delete(key);
    else before.set(key, value);
  }
  writeFileSync(path, Buffer.concat(encodePickle(before)));
}

describe("nnU-Net's folder", () => {
  it.each(FORMATS)('of .%s files has the cases, classes and locations of a store with the same voxels', async (format) => {
    const { dir } = copy(format);
    const theirs = await openStore(dir);
    const described = ({ cases }: Store) =>
      cases.map(({ id, shape, spacing, locations, locationsXxh64 }) => ({ id, shape, spacing, locations, locationsXxh64 }));
    expect(described(theirs)).toEqual(described(ours));
    expect(theirs.classes).toEqual(ours.classes);
    expect(theirs.index).toMatchObject({ arrays: format, labelDtype: 'int16', configuration: '3d_fullres', plans: 'nnUNetPlans.json' });
    for (const [caseNumber] of ours.cases.entries()) expect(theirs.flatLocations(caseNumber, 0)).toEqual(ours.flatLocations(caseNumber, 0));
    expect(storeConfiguration(theirs)).toMatchObject({ name: '3d_fullres', patchSize: [4, 4, 4], batchSize: 2 });
  });

  it('stays as it is: what is kept lies beside it, and serves the next time', async () => {
    const { above, dir, cache } = copy();
    const before = readdirSync(dir);
    const first = await openStore(dir);
    expect(readdirSync(dir)).toEqual(before);
    expect(readdirSync(cache).sort()).toEqual(['case_000.msgpack', 'case_001.msgpack', 'case_002.msgpack', 'cases.json']);
    const kept = statSync(join(cache, 'case_000.msgpack')).mtimeMs;
    const again = await openStore(dir);
    expect(again.hash).toBe(first.hash);
    expect(statSync(join(cache, 'case_000.msgpack')).mtimeMs).toBe(kept);
    // The same contents elsewhere are the same data.
    const moved = `${above}-moved`;
    renameSync(above, moved);
    expect((await openStore(join(moved, IDENTIFIER))).hash).toBe(first.hash);
  });

  it('is read again where a file changed', async () => {
    const { dir, path } = copy();
    const { hash, cases } = await openStore(dir);
    const rows = new NumpyArray('i8', [1, 4], Float64Array.of(0, 3, 4, 3));
    change(path('case_000.pkl'), {
      class_locations: new Map<unknown, unknown>([
        [1, rows],
        [2, []],
      ]),
    });
    const changed = await openStore(dir);
    expect([...changed.cases[0].locations]).toEqual([1, 0]);
    expect(changed.location(0, 0, 0)).toEqual([3, 4, 3]);
    expect(changed.hash).not.toBe(hash);
    expect(changed.cases.slice(1)).toEqual(cases.slice(1));
  });

  it('is read where nothing may be kept', async () => {
    const { above, dir } = copy();
    // A file where the folder should be: root may write everywhere else.
    writeFileSync(join(above, 'voxfeed_cache'), '');
    const store = await openStore(dir);
    expect(store.flatLocations(0, 1)).toEqual(ours.flatLocations(0, 1));
    expect(readFileSync(join(above, 'voxfeed_cache'), 'utf8')).toBe('');
  });

  it.each(['', '{}', 'null', '{"format":"voxfeed-cache","version":1,"cases":[null]}'])('takes %j for no cache', async (text) => {
    const { dir, cache } = copy();
    const { hash } = await openStore(dir);
    writeFileSync(join(cache, 'cases.json'), text);
    expect((await openStore(dir)).hash).toBe(hash);
  });

  it('says what to do about a damaged cache', async () => {
    const { dir, cache } = copy();
    await openStore(dir);
    const path = join(cache, 'case_001.msgpack');
    cpSync(join(cache, 'case_000.msgpack'), path);
    const store = await openStore(dir);
    expect(() => store.location(1, 0, 0)).toThrow(expect.objectContaining({ where: path, action: `Remove ${cache}: it is made again` }));
  });

  it('without class locations has those that nnU-Net would have drawn', async () => {
    const { dir, path } = copy();
    for (const { id } of ours.cases) change(path(`${id}.pkl`), { class_locations: undefined });
    const store = await openStore(dir);
    for (const [caseNumber] of ours.cases.entries())
      for (const [classNumber] of ours.classes.entries())
        expect(store.flatLocations(caseNumber, classNumber)).toEqual(ours.flatLocations(caseNumber, classNumber));
  });

  it('of a preprocessor that is not known here is read all the same', async () => {
    const { above, dir } = copy();
    const plans = JSON.parse(readFileSync(join(above, 'nnUNetPlans.json'), 'utf8'));
    Object.assign(plans.configurations['3d_fullres'], {
      preprocessor_name: 'Mine',
      resampling_fn_data: 'mine',
      normalization_schemes: ['Mine', 'ZScoreNormalization'],
      use_mask_for_norm: [true, false],
    });
    writeFileSync(join(above, 'nnUNetPlans.json'), JSON.stringify(plans));
    const store = await openStore(dir);
    expect(storeConfiguration(store).patchSize).toEqual([4, 4, 4]);
    expect(store.index.options).toMatchObject({ normalisation: [{ masked: true }, { masked: false }] });
  });

  it('belongs to the plans that name it, of which any may share it', async () => {
    const { above, dir } = copy();
    const plans = JSON.parse(readFileSync(join(above, 'nnUNetPlans.json'), 'utf8'));
    const other = {
      ...plans,
      plans_name: 'aPlans',
      configurations: { own: { ...plans.configurations['3d_fullres'], patch_size: [8, 8, 8] } },
    };
    writeFileSync(join(above, 'aPlans.json'), JSON.stringify(other));
    expect((await openStore(dir)).index.plans).toBe('nnUNetPlans.json');
    rmSync(join(above, 'nnUNetPlans.json'));
    expect(storeConfiguration(await openStore(dir)).patchSize).toEqual([8, 8, 8]);
    rmSync(join(above, 'aPlans.json'));
    await expect(openStore(dir)).rejects.toMatchObject({
      name: 'PlansError',
      where: above,
      what: expect.stringContaining(`"data_identifier" is ${IDENTIFIER}`),
    });
  });

  it('of cascades has the configuration that both stages share', async () => {
    const { above, dir } = copy();
    const plans = JSON.parse(readFileSync(join(above, 'nnUNetPlans.json'), 'utf8'));
    plans.configurations = { '3d_cascade_fullres': { inherits_from: '3d_fullres', previous_stage: '3d_lowres' }, ...plans.configurations };
    writeFileSync(join(above, 'nnUNetPlans.json'), JSON.stringify(plans));
    const store = await openStore(dir);
    expect(store.index.configuration).toBe('3d_fullres');
    expect(storeConfiguration(store, '3d_cascade_fullres').previousStage).toBe('3d_lowres');
  });

  it('lies where its raw image lay', async () => {
    const { dir } = copy();
    const { affine, rawSpacing, cropBox, shapeBeforeCrop } = (await openStore(dir)).sidecar(0);
    // ITK counts left and posterior, NIfTI right and anterior.
    expect(affine).toEqual([
      [-1, 0, 0, -1],
      [0, -1, 0, -2],
      [0, 0, 1, 3],
      [0, 0, 0, 1],
    ]);
    expect({ rawSpacing, cropBox, shapeBeforeCrop }).toEqual({
      rawSpacing: [1, 1, 1],
      cropBox: { lower: [0, 0, 0], upper: [12, 20, 17] },
      shapeBeforeCrop: [12, 20, 17],
    });
  });
});

describe('what would be written into it', () => {
  it('is refused: nnU-Net takes every file there for a case', async () => {
    const { dir } = copy();
    const before = readdirSync(dir);
    const refusal = { name: 'StoreError', where: dir, action: 'Choose another folder' };
    const raw = makeRawDataset(join(temporaryFolder(), 'raw'), { cases: [randomCase('a', [5, 6, 7])] });
    await expect(preprocess(raw, dir)).rejects.toMatchObject(refusal);
    const content = { name: 'x', channels: ['one'], labels: { background: 0, one: 1 }, cases: [] };
    await expect(writeStore(dir, content)).rejects.toMatchObject(refusal);
    expect(readdirSync(dir)).toEqual(before);
  });
});

describe('a folder that cannot be opened', () => {
  it('is the one above: its folders are named', async () => {
    const { above } = copy();
    await expect(openStore(above)).rejects.toMatchObject({ action: `Give one of its folders: ${IDENTIFIER}` });
  });

  it.each<[string, ArrayFormat]>([
    ['case_001.npz', 'npz'],
    ['case_001_seg.npy', 'npy'],
    ['case_001.npy', 'npy'],
  ])('lacks %s', async (name, format) => {
    const { dir, path } = copy(format);
    rmSync(path(name));
    await expect(openStore(dir)).rejects.toMatchObject({ name: 'StoreError', where: path(name), what: 'the file is missing' });
  });

  it('lacks what is written last of a case', async () => {
    const { dir, path } = copy();
    rmSync(path('case_001.pkl'));
    await expect(openStore(dir)).rejects.toMatchObject({ where: path('case_001.npz'), what: 'its .pkl is missing' });
  });

  it('lacks the description of its data set', async () => {
    const { above, dir } = copy();
    rmSync(join(above, 'dataset.json'));
    await expect(openStore(dir)).rejects.toMatchObject({ name: 'DatasetError', where: join(above, 'dataset.json') });
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    [
      'a voxel outside',
      {
        class_locations: new Map<unknown, unknown>([
          [1, new NumpyArray('i8', [1, 4], Float64Array.of(0, 12, 0, 0))],
          [2, []],
        ]),
      },
      /of one has \[12, 0, 0\], outside its volume \[12, 20, 17\]/,
    ],
    [
      'rows of three',
      {
        class_locations: new Map<unknown, unknown>([
          [1, new NumpyArray('i8', [1, 3], Float64Array.of(0, 1, 1))],
          [2, []],
        ]),
      },
      /is not an array of rows/,
    ],
    [
      'a text for locations',
      {
        class_locations: new Map<unknown, unknown>([
          [1, 'no'],
          [2, []],
        ]),
      },
      /is not an array of rows/,
    ],
    ['a spacing of two', { spacing: [1, 1] }, /"spacing" is not three numbers/],
    [
      'a box of two',
      {
        bbox_used_for_cropping: [
          [0, 1],
          [0, 1],
        ],
      },
      /"bbox_used_for_cropping" is no box/,
    ],
  ])('has properties with %s', async (_, properties, what) => {
    const { dir, path } = copy();
    change(path('case_000.pkl'), properties);
    await expect(openStore(dir)).rejects.toMatchObject({
      name: 'StoreError',
      where: path('case_000.pkl'),
      what: expect.stringMatching(what),
    });
  });

  it('has images of other channels than its dataset.json', async () => {
    const { above, dir, path } = copy();
    const about = JSON.parse(readFileSync(join(above, 'dataset.json'), 'utf8'));
    writeFileSync(join(above, 'dataset.json'), JSON.stringify({ ...about, channel_names: { 0: 'one' } }));
    await expect(openStore(dir)).rejects.toMatchObject({
      where: path('case_000.npz'),
      what: 'it is an array [2, 12, 20, 17] of <f4, and dataset.json names one channel',
    });
  });

  it('has images of float16, which are in stores of ours alone', async () => {
    const { dir, path } = copy('npy');
    const image = new Uint8Array(2 * 2 * 12 * 20 * 17);
    writeFileSync(path('case_000.npy'), Buffer.concat([encodeNpyHeader('<f2', [2, 12, 20, 17]), image]));
    await expect(openStore(dir)).rejects.toMatchObject({
      where: path('case_000.npy'),
      what: expect.stringMatching(/^it is an array \[2, 12, 20, 17\] of <f2/),
      action: expect.stringMatching(/^It must be \[2, z, y, x\] of <f4/),
    });
  });
});
