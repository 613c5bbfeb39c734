import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  openStore,
  PatchLoader,
  readPlans,
  type StoreCase,
  type StoreContent,
  storeConfiguration,
  verifyStore,
  writeStore,
} from '../../src/index.ts';
import { measureCoverage } from '../../src/planning/coverage.ts';
import { EXAMPLE_PLANS } from '../fixtures/paths.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const dir = temporaryFolder();
const SHAPE: StoreCase['shape'] = [3, 4, 5];

/** Voxel i of channel c is c + i / 100; its label is 1 in the first slice. */
function volume(id: string, change: Partial<StoreCase> = {}): StoreCase {
  const image = Float32Array.from({ length: 120 }, (_, i) => Math.floor(i / 60) + (i % 60) / 100);
  return { id, shape: SHAPE, image, segmentation: Int8Array.from({ length: 60 }, (_, i) => Number(i < 20)), ...change };
}

const content = (cases: StoreContent['cases'], change: Partial<StoreContent> = {}): StoreContent => ({
  name: 'own',
  channels: ['CT', 'PET'],
  labels: { background: 0, organ: 1 },
  cases,
  ...change,
});

describe('writeStore', () => {
  it('writes what a loader streams, whole and by the checksums', async () => {
    const path = join(dir, 'plain');
    const store = await writeStore(path, content([volume('b'), volume('a', { spacing: [2, 1, 1] })]));
    expect(store.cases.map(({ id, spacing, locations }) => [id, spacing, [...locations]])).toEqual([
      ['a', [2, 1, 1], [20]],
      ['b', [1, 1, 1], [20]],
    ]);
    expect(await verifyStore(path)).toMatchObject({ cases: 2, files: 9, damaged: [] });
    expect(JSON.parse(readFileSync(join(path, 'dataset.json'), 'utf8'))).toEqual({
      name: 'own',
      channel_names: { 0: 'CT', 1: 'PET' },
      labels: { background: 0, organ: 1 },
      numTraining: 2,
      file_ending: '.nii.gz',
    });
    await using loader = await PatchLoader.create({ store: await openStore(path), patchSize: SHAPE, batchSize: 1, workers: 1 });
    using batch = await loader.next();
    expect([...batch.data]).toEqual([...volume('a').image]);
    expect([...batch.target]).toEqual([...volume('a').segmentation]);
  });

  it('takes cases as they come, one at a time', async () => {
    const path = join(dir, 'one by one');
    const seen: string[][] = [];
    async function* cases() {
      for (const id of ['c_2', 'c_1', 'c_3']) {
        seen.push(existsSync(path) ? readdirSync(path).filter((name) => name.endsWith('.msgpack')) : []);
        yield volume(id);
      }
    }
    await writeStore(path, content(cases()));
    expect(seen).toEqual([[], ['c_2.msgpack'], ['c_1.msgpack', 'c_2.msgpack']]);
  });

  it('is no store while a case fails, and is one when it is written again', async () => {
    const path = join(dir, 'again');
    function* failing() {
      yield volume('a');
      throw new Error('the scanner is on fire');
    }
    await expect(writeStore(path, content(failing()))).rejects.toThrow('the scanner is on fire');
    await expect(openStore(path)).rejects.toThrow(/not a finished voxfeed store/);
    await writeStore(path, content([volume('a')]));
    await expect(writeStore(path, content([volume('a')]))).rejects.toThrow(/again: it holds a store already/);
  });

  it('makes the streams of the same cases in another order', async () => {
    const [one, other] = [
      await writeStore(join(dir, 'one'), content([volume('a'), volume('b')])),
      await writeStore(join(dir, 'other'), content([volume('b'), volume('a')])),
    ];
    expect(one.hash).toBe(other.hash);
  });

  it('makes five folds, or takes those that are given', async () => {
    const cases = ['a', 'b', 'c', 'd', 'e'].map((id) => volume(id));
    await writeStore(join(dir, 'five'), content(cases));
    const folds = JSON.parse(readFileSync(join(dir, 'five/splits_final.json'), 'utf8'));
    expect(folds.map(({ val }: { val: string[] }) => val).sort()).toEqual([['a'], ['b'], ['c'], ['d'], ['e']]);
    const splits = [{ train: ['a', 'b'], val: ['c'] }];
    await writeStore(join(dir, 'given'), content(cases, { splits }));
    expect(JSON.parse(readFileSync(join(dir, 'given/splits_final.json'), 'utf8'))).toEqual(splits);
    await expect(writeStore(join(dir, 'wrong'), content(cases, { splits: [{ train: ['a'], val: ['z'] }] }))).rejects.toMatchObject({
      name: 'DatasetError',
      message: expect.stringContaining('splits: it names a case "z" that is not there'),
    });
  });

  it('follows plans: patch and batch size, spacing, and the coverage of their patches', async () => {
    const plans = await readPlans(EXAMPLE_PLANS);
    const shape: StoreCase['shape'] = [40, 56, 40];
    const big = (id: string): StoreCase => ({
      id,
      shape,
      image: new Float32Array(40 * 56 * 40),
      segmentation: new Uint8Array(40 * 56 * 40).fill(1, 0, 100),
    });
    const store = await writeStore(join(dir, 'planned'), content([big('a')], { channels: ['MRI'], plans }));
    expect(storeConfiguration(store)).toMatchObject({ name: '3d_fullres', patchSize: [40, 56, 40] });
    expect(storeConfiguration(store, '2d').patchSize).toEqual([56, 40]);
    const labels = new Int8Array(big('a').segmentation);
    expect(store.sidecar(0).coverage).toContainEqual(measureCoverage(labels, shape, [1, 56, 40], store.classes));
    await expect(
      writeStore(join(dir, 'coarse'), content([{ ...big('a'), spacing: [1, 1, 4] }], { channels: ['MRI'], plans })),
    ).rejects.toThrow(/case a: its spacing is \[1, 1, 4\], the plans say \[1, 1, 1\]/);
    await expect(writeStore(join(dir, 'channels'), content([volume('a')], { plans }))).rejects.toThrow(
      /plans: they are for 1 channels, `channels` names 2/,
    );
  });

  it('stores labels above 127 in two bytes', async () => {
    const segmentation = Int16Array.from({ length: 60 }, (_, i) => (i < 7 ? 300 : 0));
    const store = await writeStore(join(dir, 'wide'), content([volume('a', { segmentation })], { labels: { background: 0, organ: 300 } }));
    expect(store.index.labelDtype).toBe('int16');
    expect([...store.flatLocations(0, 0)].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });
});

describe('a case that cannot be stored is refused by its name', () => {
  const nan = volume('a').image.with(71, Number.NaN);
  const refused: [string, Partial<StoreCase>, RegExp][] = [
    ['a shape of two', { shape: [3, 4] as never }, /case a: its shape is \[3,4\]\. Give three whole numbers/],
    [
      'an image of one channel',
      { image: new Float32Array(60) },
      /case a: its image has 60 values, 2 of \[3, 4, 5\] are 120\. Give all channels/,
    ],
    ['float64', { image: new Float64Array(120) as never }, /case a: its image is no Float32Array/],
    ['NaN', { image: nan }, /case a: its image is NaN at voxel \[0, 2, 1\] \(z, y, x\) of channel 1/],
    ['too few labels', { segmentation: new Int8Array(59) }, /case a: its segmentation has 59 voxels, \[3, 4, 5\] are 60/],
    [
      'an unknown label',
      { segmentation: new Uint8Array(60).fill(2, 59) },
      /case a: its segmentation is 2 at voxel \[2, 3, 4\] \(z, y, x\)\. Labels are -1, 0, 1/,
    ],
    ['labels of another type', { segmentation: new Float32Array(60) as never }, /case a: its segmentation is no Int8Array/],
    ['a spacing of 0', { spacing: [0, 1, 1] }, /case a: its spacing is \[0,1,1\]\. Give three numbers above 0/],
    ['half an affine', { affine: [[1, 0, 0, 0]] }, /case a: its affine is \[\[1,0,0,0\]\]\. Give four rows/],
    ['a path for an id', { id: '../a' }, /case "\.\.\/a": its id has a \/ or \\ in it/],
    ['a field that is none', { spacng: [1, 1, 1] } as never, /case a: it has a field "spacng"\. Its fields are id, shape/],
    ['no id', { id: '' }, /its id is no text/],
    ['a line break in an id', { id: 'a\nb' }, /case "a\\nb": its id has a line break/],
    ['an id that begins with a dot', { id: '.a' }, /its id begins with a dot/],
    ['an id too long for a file', { id: 'x'.repeat(201) }, /its id has more than 200 bytes/],
    ['an id that differs in case alone', { id: 'First' }, /case First: its id is that of another case, or differs from it in case/],
    ['an id that was there', { id: 'first' }, /case first: its id is that of another case/],
    ["an id that makes another's files", { id: 'first_seg' }, /case first_seg: the files of case first would have its names/],
  ];
  it.each(refused)('%s', async (name, change, message) => {
    const path = join(dir, 'refused', name.replace(/\W/g, '_'));
    await expect(writeStore(path, content([volume('first'), volume('a', change)]))).rejects.toThrow(message);
    expect(existsSync(join(path, 'voxfeed.json'))).toBe(false);
  });

  it.each<[string, Partial<StoreContent>, RegExp]>([
    ['no cases', { cases: [] }, /cases: there is none/],
    ['an option that is none', { split: [] } as never, /split: there is no such option/],
    ['no channels', { channels: [] }, /channels: \[\] is no list of names/],
    ['no labels', { labels: { background: 0 } }, /labels: "labels" names no foreground label/],
    ['a configuration without plans', { config: '2d' }, /config: there are no plans that say what 2d is/],
    [
      'the normalisation of one channel',
      { normalisation: [{ scheme: 'nonorm' }] },
      /normalisation: it has 1 entries, there are 2 channels/,
    ],
  ])('so are %s', async (name, change, message) => {
    await expect(writeStore(join(dir, name), content([volume('a')], change))).rejects.toThrow(message);
  });
});
