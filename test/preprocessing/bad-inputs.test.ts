import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { CasesError } from '../../src/common/errors.ts';
import { fingerprint } from '../../src/preprocessing/fingerprint-dataset.ts';
import { planDataset } from '../../src/preprocessing/plan-dataset.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { openStore } from '../../src/store/store.ts';
import { encodeNifti, type NiftiContent, writeNifti } from '../fixtures/nifti-file.ts';
import { writePlans } from '../fixtures/plans.ts';
import { imagePath, labelPath, makeRawDataset, type RawCaseContent, randomCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { fileNames, readNpy } from './store-files.ts';

const SHAPE = [4, 5, 6];
const VOXELS = new Array(120).fill(1);

type Part = 'first channel' | 'second channel' | 'label';

/** What is wrong, with which file of a case, and what is said of it. */
const WRONG: [string, Part, Partial<NiftiContent>, string][] = [
  [
    '4d',
    'first channel',
    { shape: [8, 5, 6], data: [...VOXELS, ...VOXELS], dims: [4, 6, 5, 4, 2] },
    'its case holds 3 channels, 2 are named',
  ],
  ['5d', 'first channel', { dims: [5, 6, 5, 2, 1, 2] }, 'the image has 5 axes [6, 5, 2, 1, 2]'],
  ['channel of another shape', 'second channel', { shape: [4, 6, 5] }, 'its shape [4, 6, 5]'],
  ['channel of another spacing', 'second channel', { spacing: [2, 1, 1] }, 'its spacing [2, 1, 1]'],
  ['label of another spacing', 'label', { spacing: [1, 1, 1.5] }, 'its spacing [1, 1, 1.5]'],
  ['label that is 4d', 'label', { dims: [4, 6, 5, 2, 2] }, 'it has four axes: 2 volumes along the last'],
  ['spacing of NaN', 'first channel', { spacing: [1, Number.NaN, 1] }, 'the voxel spacing [1, NaN, 1] is not positive'],
  ['spacing of zero', 'first channel', { spacing: [0, 1, 1] }, 'the voxel spacing [0, 1, 1] is not positive'],
];

const pathOf = (raw: string, id: string, part: Part): string =>
  part === 'label' ? labelPath(raw, id) : imagePath(raw, id, part === 'first channel' ? 0 : 1);

describe('cases whose files do not go together or make no volume', () => {
  it('are all named, each with the file at fault, what is wrong and what to do', async () => {
    const good = (id: string) => randomCase(id, SHAPE, { channels: 2, sparse: true });
    const raw = makeRawDataset(join(temporaryFolder(), 'raw'), {
      channels: ['T1', 'T2'],
      cases: [...WRONG.map(([id]) => good(id)), good('usable')],
    });
    for (const [id, part, wrong] of WRONG) writeNifti(pathOf(raw, id, part), { shape: SHAPE, data: VOXELS, ...wrong });
    const out = join(raw, '..', 'out');
    const error: CasesError = await planDataset(raw, { workers: 2, outDir: out }).then(
      () => expect.fail('it was not refused'),
      (reason) => reason,
    );
    expect(error).toMatchObject({ name: 'CasesError', where: raw, what: `${WRONG.length} cases cannot be used` });
    const found = Object.fromEntries(error.errors.map(({ where, ...rest }) => [where, rest]));
    for (const [id, part, , what] of WRONG) {
      const place = pathOf(raw, id, part);
      expect(found[place], id).toMatchObject({
        name: 'CaseError',
        what: expect.stringContaining(what),
        action: expect.stringMatching(/\S/),
      });
      expect(error.message).toContain(place);
    }
    // Nothing is made of such a data set but the fingerprint of the case that can be used.
    expect(fileNames(out)).toEqual([join('fingerprint_cache', 'usable.msgpack')]);
  });
});

describe('what nnU-Net only warns of', () => {
  const image = [Number.NaN, ...VOXELS.slice(1)];
  const cases = ['a', 'b'].map((id) => ({
    ...randomCase(id, SHAPE, { sparse: true }),
    images: [image],
    labelFile: { origin: [0, 2, 0] as const },
  }));
  const plans = writePlans(join(temporaryFolder(), 'plans.json'));

  it('is noted once a case and file, again when what an earlier run found is used, and the cases are written', async () => {
    const raw = makeRawDataset(join(temporaryFolder(), 'raw'), { cases });
    const out = join(raw, '..', 'out');
    const odd = ['a', 'b'].flatMap((id) => [
      expect.stringContaining(`${imagePath(raw, id)}: 1 voxels are NaN or infinite`),
      expect.stringContaining(`${labelPath(raw, id)}: origin or direction differs from ${imagePath(raw, id)} (a corner lies 2.00 mm away)`),
    ]);
    const sorted = [odd[0], odd[2], odd[1], odd[3]];
    expect((await planDataset(raw, { workers: 2, outDir: out })).notes).toEqual(sorted);
    expect((await planDataset(raw, { workers: 1, outDir: out })).notes).toEqual(sorted);
    const { notes, written } = await preprocess(raw, join(raw, '..', 'store'), { workers: 1, plans });
    expect(notes.slice(-4)).toEqual(sorted);
    expect(written).toBe(2);
  });

  it.each([
    [{ strictGeometry: true }, labelPath, 'its origin or direction differs'],
    [{ strictVoxels: true }, imagePath, '1 voxels are NaN or infinite'],
  ] as const)('is refused for %j, whatever an earlier run found', async (strict, path, what) => {
    const raw = makeRawDataset(join(temporaryFolder(), 'raw'), { cases: cases.slice(0, 1) });
    const out = join(raw, '..', 'out');
    await fingerprint(raw, { workers: 1, outDir: out });
    const refusal = { name: 'CaseError', where: path(raw, 'a'), what: expect.stringContaining(what) };
    await expect(planDataset(raw, { workers: 1, outDir: out, ...strict })).rejects.toMatchObject(refusal);
    await expect(preprocess(raw, out, { workers: 1, plans, ...strict })).rejects.toMatchObject(refusal);
  });
});

describe('a data set whose reader turns images', () => {
  it('is planned and stored with axes to the right, anterior and superior, and its plans name the reader', async () => {
    // Axes that run to superior, anterior and left, 4 x 5 x 12 voxels of 1 x 1 x 3 mm.
    const turned = encodeNifti({ shape: [12, 5, 4], data: Array.from({ length: 240 }, (_, i) => 1 + i), spacing: [3, 1, 1] });
    [0, 0, -3, 0, 0, 1, 0, 0, 1, 0, 0, 0].forEach((value, i) => {
      turned.writeFloatLE(value, 280 + 4 * i);
    });
    const content = { id: 'a', shape: [12, 5, 4], images: [new Array(240).fill(1)], label: new Array(240).fill(0), spacing: [3, 1, 1] };
    for (const reader of ['SimpleITKIOWithReorient', 'NibabelIOWithReorient']) {
      const raw = makeRawDataset(join(temporaryFolder(), 'raw'), {
        cases: [content],
        datasetJson: { overwrite_image_reader_writer: reader },
      });
      writeFileSync(imagePath(raw, 'a'), gzipSync(turned));
      const label = Buffer.from(turned);
      // One voxel of foreground, the file's first: at the right end of the row that is the lowest and most posterior.
      for (let i = 0; i < 240; i++) label.writeFloatLE(Number(i === 0), 352 + 4 * i);
      writeFileSync(labelPath(raw, 'a'), gzipSync(label));
      const { plans, fingerprint } = await planDataset(raw, { workers: 1 });
      expect(plans.image_reader_writer).toBe(reader);
      expect(fingerprint).toMatchObject({ shapes_after_crop: [[4, 5, 12]], spacings: [[1, 1, 3]] });
      const out = join(raw, '..', 'store');
      await preprocess(raw, out, {
        workers: 1,
        plans: writePlans(join(raw, '..', 'plans.json'), { more: { image_reader_writer: reader } }),
      });
      const [{ shape }] = (await openStore(out)).cases;
      // The plans say 1 mm: three voxels along x for one.
      expect(shape).toEqual([4, 5, 36]);
      const { data } = readNpy(out, 'a_seg.npy');
      expect(data.flatMap((value, i) => (value === 1 ? [i] : []))).toEqual([33, 34, 35]);
    }
  });
});

describe('a spacing', () => {
  it('that is negative in the header counts as what it is without the sign', async () => {
    const raw = makeRawDataset(temporaryFolder(), { cases: [{ ...randomCase('a', SHAPE, { sparse: true }), spacing: [-2, 1, -3] }] });
    expect((await fingerprint(raw, { workers: 1 })).spacings).toEqual([[2, 1, 3]]);
  });
});

/** A case whose voxel number i has the label `labels[i]`, and 0 where there is none. */
function withLabels(id: string, labels: number[], datatype: 'uint8' | 'int16' = 'uint8'): RawCaseContent {
  return { ...randomCase(id, SHAPE, { sparse: true }), label: VOXELS.map((_, i) => labels[i] ?? 0), labelFile: { datatype } };
}

/** Seven cases without foreground: they take most of the hundred million draws away from the one with some. */
const EMPTY = Array.from({ length: 7 }, (_, i) => withLabels(`empty${i}`, []));

async function store(labels: Record<string, number | number[]>, first: RawCaseContent, channels?: string[]) {
  const dir = temporaryFolder();
  const content = { labels, cases: [first, ...EMPTY], ...(channels ? { channels } : {}) };
  const raw = makeRawDataset(join(dir, 'raw'), content);
  const out = join(dir, 'store');
  const report = await preprocess(raw, out, { workers: 2 });
  const plans = JSON.parse(readFileSync(join(out, 'nnUNetPlans.json'), 'utf8'));
  return { report, plans, out, opened: await openStore(out) };
}

describe('labels', () => {
  it('may skip numbers, and go past int8', async () => {
    const labels = [3, 3, 700, 700, 700, 3, 700];
    const { opened, out } = await store({ background: 0, three: 3, many: 700 }, withLabels('a', labels, 'int16'));
    expect(opened.index).toMatchObject({ labelDtype: 'int16', labels: { values: [0, 3, 700] } });
    expect([...opened.cases[0].locations]).toEqual([3, 4]);
    expect(readNpy(out, 'a_seg.npy').data.slice(0, 8)).toEqual([...labels, 0]);
    expect(opened.index.coverage[0].classes.every(({ cases, seen }) => cases === 1 && seen > 0)).toBe(true);
  });

  it('may make regions that overlap', async () => {
    const { opened, report } = await store(
      { background: 0, whole: [1, 2, 3], core: [2, 3], inner: 3 },
      withLabels('a', [1, 1, 1, 2, 2, 3]),
    );
    expect([...opened.cases[0].locations]).toEqual([6, 3, 1]);
    expect(report.oversampling.classes.map(({ name, cases }) => [name, cases])).toEqual([
      ['whole', 1],
      ['core', 1],
      ['inner', 1],
    ]);
  });

  it('may have some ignored: no class of theirs, and a class of all others', async () => {
    const { opened, out, plans } = await store({ background: 0, organ: 1, ignore: 2 }, withLabels('a', [1, 1, 2, 2, 2]));
    expect([...opened.cases[0].locations]).toEqual([2, 120 - 3]);
    expect(readNpy(out, 'a_seg.npy').data.slice(0, 6)).toEqual([1, 1, 2, 2, 2, 0]);
    // The ignored voxels count among the foreground intensities.
    const { images } = withLabels('a', []);
    const { min, max } = plans.foreground_intensity_properties_per_channel[0];
    expect([min, max]).toEqual([Math.min(...Array.from(images[0]).slice(0, 5)), Math.max(...Array.from(images[0]).slice(0, 5))]);
  });

  it('may be all background in every case but one, and CT goes by that one', async () => {
    const { report, plans } = await store({ background: 0, organ: 1 }, withLabels('a', [1]), ['CT']);
    const intensity = withLabels('a', []).images[0][0];
    expect(plans.foreground_intensity_properties_per_channel[0]).toMatchObject({ mean: intensity, std: 0, min: intensity, max: intensity });
    expect(report.options.normalisation).toMatchObject([{ scheme: 'ct', mean: intensity, std: 0 }]);
    expect(report.oversampling.classes).toMatchObject([{ name: 'organ', cases: 1 }]);
  });
});
