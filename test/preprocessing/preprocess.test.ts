import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hasher } from '../../src/common/hash.ts';
import { type PreprocessOptions, preprocess } from '../../src/preprocessing/preprocess.ts';
import type { Progress } from '../../src/preprocessing/run-options.ts';
import { readSidecarFile } from '../../src/store/sidecar.ts';
import { openStore } from '../../src/store/store.ts';
import { makeRawDataset, type RawCaseContent, type RawDatasetContent, randomCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { fileNames, planFiles, readNpy } from './store-files.ts';

async function run(content: RawDatasetContent, options: PreprocessOptions = { workers: 1 }) {
  const dir = temporaryFolder();
  const raw = makeRawDataset(join(dir, 'raw'), content);
  const out = join(dir, 'store');
  return { raw, out, report: await preprocess(raw, out, options) };
}

function zscore(values: ArrayLike<number>): number[] {
  const all = Array.from(values);
  const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
  const std = Math.sqrt(all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / all.length);
  return all.map((value) => (value - mean) / std);
}

function expectNear(actual: number[], expected: number[]): void {
  expect(actual).toHaveLength(expected.length);
  const off = actual.findIndex((value, i) => !(Math.abs(value - expected[i]) <= 1e-5 * Math.max(1, Math.abs(expected[i]))));
  expect(off, `voxel ${off} is ${actual[off]} instead of ${expected[off]}`).toBe(-1);
}

/** A case of ten planes of which the first `planes` are not zero. */
function partlyFilled(id: string, planes: number): RawCaseContent {
  const image = Array.from({ length: 160 }, (_, i) => (i < planes * 16 ? 100 + (i % 7) : 0));
  return { id, shape: [10, 4, 4], images: [image], label: image.map((_, i) => (i === 3 ? 1 : 0)) };
}

/** A case with one voxel of foreground, of the given intensity. */
function oneForegroundVoxel(id: string, others: number[], foreground: number): RawCaseContent {
  return { id, shape: [1, 1, others.length + 1], images: [[foreground, ...others]], label: [1, ...others.map(() => 0)] };
}

describe('preprocessing', () => {
  it('stores the normalised image and the label of every case, and an index that opens', async () => {
    const cases = [randomCase('b', [5, 6, 7], { seed: 1 }), randomCase('a', [4, 4, 9], { seed: 2 })];
    const { out, report } = await run({ cases });
    expect(report).toMatchObject({ dir: out, cases: 2, written: 2, notes: [expect.stringMatching(/^2 cases are too few for five folds/)] });
    const stored = ['a.msgpack', 'a.npy', 'a_seg.npy', 'b.msgpack', 'b.npy', 'b_seg.npy', 'voxfeed.counts', 'voxfeed.json'];
    expect(fileNames(out)).toEqual([...stored, ...planFiles(['a', 'b'])].sort());
    for (const { id, shape, images, label } of cases) {
      const image = readNpy(out, `${id}.npy`);
      expect([image.dtype, image.shape]).toEqual(['<f4', [1, ...shape]]);
      expectNear(image.data, zscore(images[0]));
      expect(readNpy(out, `${id}_seg.npy`)).toEqual({ dtype: '|i1', shape, data: label });
    }
    const store = await openStore(out);
    expect(store.cases.map(({ id }) => id)).toEqual(['a', 'b']);
    expect(store.cases.map(({ locations }) => [...locations])).toEqual(
      [cases[1], cases[0]].map(({ label }) => [Array.from(label).filter((value) => value === 1).length]),
    );
  });

  it('crops to the nonzero region and keeps where it was', async () => {
    const shape = [6, 7, 8];
    const image = new Array(6 * 7 * 8).fill(0);
    const label = new Array(image.length).fill(0);
    const inside: number[] = [];
    for (let z = 1; z < 5; z++) {
      for (let y = 2; y < 6; y++) {
        for (let x = 1; x < 7; x++) {
          inside.push(50 + ((z * 31 + y * 17 + x * 5) % 90));
          image[(z * 7 + y) * 8 + x] = inside.at(-1);
        }
      }
    }
    // A corner of the box that is not in the region: cropping keeps it, the mask leaves it out.
    image[(1 * 7 + 2) * 8 + 1] = 0;
    label[(2 * 7 + 3) * 8 + 4] = 1;
    const { out, report } = await run({ cases: [{ id: 'a', shape, images: [image], label, spacing: [3, 1, 0.5] }] });
    expect(report.options.normalisation).toEqual([{ scheme: 'zscore', masked: true }]);
    const stored = readNpy(out, 'a.npy');
    expect(stored.shape).toEqual([1, 4, 4, 6]);
    expectNear(stored.data, [0, ...zscore(inside.slice(1))]);
    const segmentation = readNpy(out, 'a_seg.npy').data;
    expect(segmentation[0]).toBe(-1);
    expect(segmentation.filter((value) => value === -1)).toHaveLength(1);
    expect(segmentation[(1 * 4 + 1) * 6 + 3]).toBe(1);
    expect(readSidecarFile(join(out, 'a.msgpack'), await hasher())).toMatchObject({
      id: 'a',
      channels: 1,
      shape: [4, 4, 6],
      shapeBeforeCrop: [6, 7, 8],
      spacing: [3, 1, 0.5],
      transpose: [0, 1, 2],
      rawSpacing: [3, 1, 0.5],
      cropBox: { lower: [1, 2, 1], upper: [5, 6, 7] },
      classes: [{ labels: [1], voxels: 1, locations: Uint32Array.of((1 * 4 + 1) * 6 + 3) }],
    });
  });

  it('normalises each channel by its own name', async () => {
    const one = { ...randomCase('a', [4, 5, 6], { channels: 3, sparse: true }) };
    one.images[2] = Array.from({ length: 120 }, (_, i) => 10 + (i % 11));
    const { out, report } = await run({ channels: ['T1', 'noNorm', 'rescale_to_0_1'], cases: [one] });
    expect(report.options.normalisation.map(({ scheme }) => scheme)).toEqual(['zscore', 'nonorm', 'rescale_to_0_1']);
    const { shape, data } = readNpy(out, 'a.npy');
    expect(shape).toEqual([3, 4, 5, 6]);
    expectNear(data.slice(0, 120), zscore(one.images[0]));
    expect(data.slice(120, 240)).toEqual(one.images[1]);
    expectNear(
      data.slice(240),
      Array.from(one.images[2], (value) => (value - 10) / 10),
    );
  });

  it('reads .nii, other datatypes and scaled voxels', async () => {
    const one = randomCase('a', [3, 4, 5], { sparse: true });
    const image = { datatype: 'int16', slope: 0.5, inter: 3, bigEndian: true } as const;
    const { out } = await run({ ending: '.nii', channels: ['noNorm'], cases: [{ ...one, image, labelFile: { datatype: 'int64' } }] });
    expect(readNpy(out, 'a.npy').data).toEqual(Array.from(one.images[0], (value) => value * 0.5 + 3));
  });

  it('stores int16 labels where the data set has labels above 127', async () => {
    const labels = { background: 0, a: 1, b: 128 };
    const cases = [randomCase('a', [3, 3, 3], { sparse: true }), { ...randomCase('b', [2, 2, 2]), label: [0, 0, 128, 0, 1, 0, 0, 0] }];
    const { out } = await run({ labels, cases });
    expect(readNpy(out, 'a_seg.npy').dtype).toBe('<i2');
    expect(readNpy(out, 'b_seg.npy')).toEqual({ dtype: '<i2', shape: [2, 2, 2], data: cases[1].label });
    expect((await openStore(out)).index.labelDtype).toBe('int16');
  });

  it('accepts a case with an empty label', async () => {
    const empty = { ...randomCase('b', [4, 4, 4]), label: new Uint8Array(64) };
    const { out } = await run({ cases: [randomCase('a', [4, 4, 4], { sparse: true }), empty] });
    const store = await openStore(out);
    expect([...store.cases[1].locations]).toEqual([0]);
    expect(store.cases[0].locations[0]).toBeGreaterThan(0);
  });

  it('writes the same store whatever the number of workers', async () => {
    const cases = Array.from({ length: 5 }, (_, i) => randomCase(`case${i}`, [4, 5, 3 + i], { seed: i, sparse: true }));
    const one = await run({ cases }, { workers: 1 });
    const three = await run({ cases }, { workers: 3 });
    // Sidecars and cached fingerprints say when the raw files were modified, and those are not the same files.
    for (const name of fileNames(one.out).filter((file) => !file.endsWith('.msgpack')))
      expect(readFileSync(join(three.out, name)).equals(readFileSync(join(one.out, name))), name).toBe(true);
    expect(fileNames(three.out)).toEqual(fileNames(one.out));
  });

  it('may use names of cases that end like the files of a store', async () => {
    // The labels of case "a" and the image of a case "a_seg" must not be one file.
    const cases = [randomCase('a', [4, 4, 4], { seed: 1 }), randomCase('a_seg', [5, 5, 5], { seed: 2 })];
    const dir = temporaryFolder();
    const raw = makeRawDataset(join(dir, 'raw'), { channels: ['noNorm'], cases });
    const refused = await preprocess(raw, join(dir, 'store'), { workers: 1 }).then(
      () => null,
      (error: Error) => error,
    );
    // Either is right: to store both, or to say that these names cannot be stored.
    if (refused) expect(refused).toMatchObject({ code: expect.stringMatching(/^VOXFEED_BAD/), message: expect.stringContaining('a_seg') });
    else expect((await openStore(join(dir, 'store'))).cases.map(({ id }) => id)).toEqual(['a', 'a_seg']);
  });

  it('passes on what is odd but usable', async () => {
    const { report } = await run({ cases: [randomCase('a', [3, 3, 3], { sparse: true })], datasetJson: { numTraining: 12 } });
    expect(report.notes).toEqual([
      expect.stringContaining('numTraining 12, 1 cases are there'),
      expect.stringContaining('too few for five folds'),
    ]);
  });

  it('reports its progress, one case after the other, from nothing to all', async () => {
    const seen: Progress[] = [];
    const cases = ['a', 'b', 'c'].map((id) => randomCase(id, [3, 3, 3], { sparse: true }));
    await run({ cases }, { workers: 2, onProgress: (progress) => seen.push(progress) });
    const phase = (name: string) => seen.filter((progress) => progress.phase === name).map(({ done, total }) => `${done}/${total}`);
    expect(phase('fingerprint')).toEqual(['0/3', '1/3', '2/3', '3/3']);
    expect(phase('preprocess')).toEqual(['0/3', '1/3', '2/3', '3/3']);
  });

  it('names the store after the data set', async () => {
    const { out } = await run({ cases: [randomCase('a', [3, 3, 3], { sparse: true })], datasetJson: { name: 'Hippocampus' } });
    expect((await openStore(out)).index.name).toBe('Hippocampus');
  });

  it('makes the folders above the store', async () => {
    const dir = temporaryFolder();
    const raw = makeRawDataset(join(dir, 'raw'), { cases: [randomCase('a', [3, 3, 3], { sparse: true })] });
    await preprocess(raw, join(dir, 'one', 'two', 'store'), { workers: 1 });
    expect((await openStore(join(dir, 'one', 'two', 'store'))).cases).toHaveLength(1);
  });

  it('refuses a number of workers that is none', async () => {
    const dir = temporaryFolder();
    for (const workers of [0, -1, 1.5, Number.NaN])
      await expect(preprocess(dir, join(dir, 'store'), { workers })).rejects.toMatchObject({ name: 'OptionError', where: 'workers' });
    expect(existsSync(join(dir, 'store'))).toBe(false);
  });

  it('refuses a file in the place of the store and names it', async () => {
    const dir = temporaryFolder();
    const raw = makeRawDataset(join(dir, 'raw'), { cases: [randomCase('a', [3, 3, 3], { sparse: true })] });
    const out = join(dir, 'store');
    writeFileSync(out, 'a file');
    await expect(preprocess(raw, out, { workers: 1 })).rejects.toMatchObject({ name: 'FileError', where: out });
    expect(readFileSync(out, 'utf8')).toBe('a file');
  });
});

describe('the normalisation of a data set', () => {
  it('is a z-score within the mask where the median case loses more than a quarter by cropping', async () => {
    const { report, out } = await run({ cases: [partlyFilled('a', 5), partlyFilled('b', 7), partlyFilled('c', 10)] });
    expect(report.options.normalisation).toEqual([{ scheme: 'zscore', masked: true }]);
    expect((await openStore(out)).cases.map(({ shape }) => shape[0])).toEqual([5, 7, 10]);
  });

  it('is a z-score over everything where the median case loses less', async () => {
    const { report } = await run({ cases: [partlyFilled('a', 5), partlyFilled('b', 8), partlyFilled('c', 10)] });
    expect(report.options.normalisation).toEqual([{ scheme: 'zscore', masked: false }]);
  });

  it('of CT goes by the foreground of the whole data set, whatever the intensities of the case', async () => {
    // The samples of a case are all its one foreground voxel, so half of them are 100 and half are 300: mean 200, deviation 100.
    // Cases without foreground add none; with forty of them the samples of one case stay few.
    const empty = Array.from({ length: 38 }, (_, i) => ({ ...randomCase(`empty${i}`, [1, 2, 2], { seed: i }), label: [0, 0, 0, 0] }));
    const cases = [oneForegroundVoxel('low', [-1000, 150, 5000], 100), oneForegroundVoxel('high', [-5, 250, 301], 300), ...empty];
    const { out, report } = await run({ channels: ['CT'], cases }, { workers: 1 });
    expect(report.options.normalisation).toEqual([{ scheme: 'ct', mean: 200, std: 100, percentile_00_5: 100, percentile_99_5: 300 }]);
    expect(readNpy(out, 'low.npy').data).toEqual([-1, -1, -0.5, 1]);
    expect(readNpy(out, 'high.npy').data).toEqual([1, -1, 0.5, 1]);
    const clipped = Array.from(empty[3].images[0], (value) => Math.fround((Math.min(Math.max(value, 100), 300) - 200) / 100));
    expectNear(readNpy(out, 'empty3.npy').data, clipped);
  });

  it('of CT without any foreground leaves the intensities', async () => {
    const { out } = await run({
      channels: ['CT'],
      cases: [{ ...randomCase('a', [2, 2, 2]), label: new Uint8Array(8), images: [[-5, 1, 2, 3, 4, 5, 6, 3000]] }],
    });
    expect(readNpy(out, 'a.npy').data).toEqual([-5, 1, 2, 3, 4, 5, 6, 3000]);
  });

  it('does not touch the store of another data set', async () => {
    const dir = temporaryFolder();
    const out = join(dir, 'store');
    await preprocess(
      makeRawDataset(join(dir, 'first'), { cases: [randomCase('a', [3, 3, 3], { sparse: true })], datasetJson: { name: 'first' } }),
      out,
      {
        workers: 1,
      },
    );
    const before = readFileSync(join(out, 'voxfeed.json'), 'utf8');
    const second = makeRawDataset(join(dir, 'second'), {
      cases: [randomCase('b', [3, 3, 3], { sparse: true })],
      datasetJson: { name: 'second' },
    });
    await expect(preprocess(second, out, { workers: 1 })).rejects.toMatchObject({ name: 'StoreError', where: out });
    expect(readFileSync(join(out, 'voxfeed.json'), 'utf8')).toBe(before);
  });

  it('leaves files alone that only end like its own', async () => {
    const dir = temporaryFolder();
    const out = join(dir, 'store');
    mkdirSync(out);
    writeFileSync(join(out, 'movie.partial'), 'mine');
    await preprocess(makeRawDataset(join(dir, 'raw'), { cases: [randomCase('a', [3, 3, 3], { sparse: true })] }), out, { workers: 1 });
    expect(readFileSync(join(out, 'movie.partial'), 'utf8')).toBe('mine');
  });
});
