import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { CasesError } from '../../src/common/errors.ts';
import { openRawDataset } from '../../src/raw/raw-dataset.ts';
import { encodeNifti, type NiftiContent, writeNifti } from '../fixtures/nifti-file.ts';
import { imagePath, labelPath, makeRawDataset, type RawDatasetContent, randomCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const SHAPE = [2, 2, 2];

function valid(content: Partial<RawDatasetContent> = {}): string {
  return makeRawDataset(temporaryFolder(), { cases: [randomCase('a', SHAPE), randomCase('b', SHAPE)], ...content });
}

const refusal = (name: string, where: string, what: RegExp | string) => ({
  name,
  where,
  what: typeof what === 'string' ? expect.stringContaining(what) : expect.stringMatching(what),
  action: expect.stringMatching(/\S/),
});

describe('a data set', () => {
  it('is listed with every file of every case, ascending by id', async () => {
    const cases = ['c10', 'c2', 'A', 'c1_0003'].map((id) => randomCase(id, SHAPE, { channels: 2 }));
    const dir = valid({ channels: ['T1', 'T2'], cases });
    const dataset = await openRawDataset(dir);
    expect(dataset.name).toBe('Test');
    expect(dataset.channels).toEqual(['T1', 'T2']);
    expect(dataset.labels.values).toEqual([0, 1]);
    expect(dataset.notes).toEqual([]);
    expect(dataset.cases).toEqual(
      ['A', 'c10', 'c1_0003', 'c2'].map((id) => ({
        id,
        images: [imagePath(dir, id, 0), imagePath(dir, id, 1)],
        label: labelPath(dir, id),
      })),
    );
  });

  it('may have .nii files', async () => {
    const dir = valid({ ending: '.nii' });
    const { cases, reader } = await openRawDataset(dir);
    // nnU-Net's SimpleITKIO does not take them.
    expect(reader).toBe('NibabelIO');
    expect(cases.map(({ images }) => images)).toEqual([[imagePath(dir, 'a', 0, '.nii')], [imagePath(dir, 'b', 0, '.nii')]]);
  });

  it('takes its name from the folder where dataset.json has none', async () => {
    const dir = join(temporaryFolder(), 'Dataset007_Organ');
    makeRawDataset(dir, { cases: [randomCase('a', SHAPE)], datasetJson: { name: undefined } });
    expect((await openRawDataset(dir)).name).toBe('Dataset007_Organ');
  });

  it('has its channels in the order of their numbers', async () => {
    const cases = [randomCase('a', SHAPE, { channels: 2 })];
    const { channels } = await openRawDataset(valid({ cases, datasetJson: { channel_names: { 1: 'T2', 0: 'T1' } } }));
    expect(channels).toEqual(['T1', 'T2']);
  });

  it('may hold hidden files and files of other endings', async () => {
    const dir = valid();
    writeFileSync(join(dir, 'imagesTr', '._a_0000.nii.gz'), '');
    writeFileSync(join(dir, 'imagesTr', 'notes.txt'), '');
    writeFileSync(join(dir, 'labelsTr', '.a.nii.gz'), '');
    expect((await openRawDataset(dir)).cases.map(({ id }) => id)).toEqual(['a', 'b']);
  });

  it('with another number of cases than numTraining says gets a note and no more', async () => {
    const dir = valid({ datasetJson: { numTraining: 7 } });
    const { cases, notes } = await openRawDataset(dir);
    expect(cases).toHaveLength(2);
    expect(notes).toEqual([`${join(dir, 'dataset.json')} says numTraining 7, 2 cases are there`]);
  });
});

describe('dataset.json', () => {
  async function refused(dir: string, what: RegExp | string): Promise<void> {
    await expect(openRawDataset(dir)).rejects.toMatchObject(refusal('DatasetError', join(dir, 'dataset.json'), what));
  }

  it('may not be missing', async () => {
    await refused(temporaryFolder(), 'no such file');
    await refused(join(temporaryFolder(), 'nowhere'), 'no such file');
  });

  it('must be JSON', async () => {
    const dir = valid();
    writeFileSync(join(dir, 'dataset.json'), '{"labels": ');
    await refused(dir, 'not JSON');
    writeFileSync(join(dir, 'dataset.json'), '');
    await refused(dir, 'not JSON');
  });

  it('must hold an object', async () => {
    const dir = valid();
    for (const text of ['[]', 'null', '3', '"text"']) {
      writeFileSync(join(dir, 'dataset.json'), text);
      await refused(dir, `${text} is no object`);
    }
  });

  it.each(['channel_names', 'labels', 'numTraining', 'file_ending'])('must have the key %s', async (key) => {
    await refused(valid({ datasetJson: { [key]: undefined } }), `${key}: it is missing`);
  });

  it.each(['.hdr', '.jpg', 'nii.gz', '', 3, null, ['.nii']])('may not have the file ending %j', async (ending) => {
    await refused(
      valid({ datasetJson: { file_ending: ending } }),
      `file_ending: ${JSON.stringify(ending)} is not .nii.gz or .nii or .nrrd`,
    );
  });

  it.each([0, -3, 1.5, '20', null])('may not have the number of training cases %j', async (numTraining) => {
    await refused(valid({ datasetJson: { numTraining } }), `numTraining: ${JSON.stringify(numTraining)} is not a whole number`);
  });

  it('may call its channels modalities, as data sets of the first nnU-Net do', async () => {
    const dir = valid({ datasetJson: { channel_names: undefined, modality: { 0: 'CT' } } });
    expect((await openRawDataset(dir)).channels).toEqual(['CT']);
  });

  it('says which reader to use, and how many entries the labels have', async () => {
    const labels = { background: 0, whole: [1, 2], core: 2, ignore: 3 };
    const plain = await openRawDataset(valid({ labels }));
    expect(plain).toMatchObject({ reader: 'SimpleITKIO', ending: '.nii.gz', numTraining: 2, labelEntries: 4 });
    const chosen = await openRawDataset(valid({ datasetJson: { overwrite_image_reader_writer: 'NibabelIO' } }));
    expect(chosen.reader).toBe('NibabelIO');
  });

  it('must name every channel', async () => {
    await refused(valid({ datasetJson: { channel_names: {} } }), 'is empty');
    await refused(valid({ datasetJson: { channel_names: 'T1' } }), 'channel_names: "T1" is no object');
    await refused(valid({ datasetJson: { channel_names: null } }), 'channel_names: null is no object');
    await refused(valid({ datasetJson: { channel_names: { 1: 'T1' } } }), 'no name for channel 0');
    await refused(valid({ datasetJson: { channel_names: { 0: 'T1', 2: 'T2' } } }), 'no name for channel 1');
    await refused(valid({ datasetJson: { channel_names: { 0: 1 } } }), 'channel_names.0: 1 is not the name of a channel');
  });

  it('must have usable labels', async () => {
    await refused(valid({ datasetJson: { labels: { background: 0, organ: 'one' } } }), 'label "organ" is "one"');
  });

  it('may not be a folder', async () => {
    const dir = temporaryFolder();
    mkdirSync(join(dir, 'dataset.json'));
    await expect(openRawDataset(dir)).rejects.toMatchObject(refusal('FileError', join(dir, 'dataset.json'), 'EISDIR'));
  });
});

describe('the reader of the images', () => {
  const dataset = (name: unknown, ending = '.nii.gz', image: Partial<NiftiContent> = {}) =>
    makeRawDataset(temporaryFolder(), {
      ending,
      cases: [{ ...randomCase('a', [2, 3, 4]), image }],
      datasetJson: { overwrite_image_reader_writer: name },
    });

  it.each(['SimpleITKIO', 'SimpleITKIOWithReorient', 'NibabelIO', 'NibabelIOWithReorient'])(
    'is the one that is named: %s',
    async (name) => {
      for (const ending of ['.nii', '.nii.gz'])
        expect(await openRawDataset(dataset(name, ending))).toMatchObject({ reader: name, notes: [] });
    },
  );

  it.each([undefined, 'None', 3])("is nnU-Net's first for the ending where none is named: %s", async (name) => {
    expect(await openRawDataset(dataset(name))).toMatchObject({ reader: 'SimpleITKIO', notes: [] });
    expect(await openRawDataset(dataset(name, '.nii'))).toMatchObject({ reader: 'NibabelIO', notes: [] });
  });

  it('is the next one where that cannot read the first image, and that is said', async () => {
    const raw = dataset('None');
    const bytes = encodeNifti({ shape: [2, 3, 4], data: new Array(24).fill(1) });
    // Axes x and y that are not at right angles.
    bytes.writeFloatLE(0.3, 284);
    writeFileSync(imagePath(raw, 'a'), gzipSync(bytes));
    const { reader, notes } = await openRawDataset(raw);
    expect(reader).toBe('NibabelIO');
    expect(notes).toEqual([`SimpleITKIO cannot read ${imagePath(raw, 'a')}: NibabelIO reads the images`]);
  });

  it('is found for a name that nnU-Net does not have, and that is said', async () => {
    const { reader, notes } = await openRawDataset(dataset('MyReader'));
    expect(reader).toBe('SimpleITKIO');
    expect(notes).toEqual([expect.stringContaining('names a reader that nnU-Net does not have, MyReader: SimpleITKIO reads the images')]);
  });

  it('is refused where it is the base of those of nnU-Net', async () => {
    const raw = dataset('BaseReaderWriter');
    await expect(openRawDataset(raw)).rejects.toMatchObject({
      name: 'DatasetError',
      where: join(raw, 'dataset.json'),
      what: '"overwrite_image_reader_writer" is BaseReaderWriter, which is not known here',
      action: expect.stringContaining('NibabelIOWithReorient'),
    });
  });

  it.each([
    ['NaturalImage2DIO', '.png, .bmp, .tif, .tiff'],
    ['Tiff3DIO', '.tif, .tiff'],
  ])('is refused where it reads no such files: %s', async (name, endings) => {
    const raw = dataset(name);
    await expect(openRawDataset(raw)).rejects.toMatchObject({
      name: 'DatasetError',
      where: join(raw, 'dataset.json'),
      what: `"overwrite_image_reader_writer" is ${name}, which reads no .nii.gz here`,
      action: `It reads ${endings}: convert the images, or name another reader`,
    });
  });
});

describe('the folders', () => {
  it.each(['imagesTr', 'labelsTr'])('%s may not be missing', async (folder) => {
    const dir = valid();
    rmSync(join(dir, folder), { recursive: true });
    await expect(openRawDataset(dir)).rejects.toMatchObject(refusal('DatasetError', join(dir, folder), 'no such folder'));
  });

  it.each(['imagesTr', 'labelsTr'])('%s may not be a file', async (folder) => {
    const dir = valid();
    rmSync(join(dir, folder), { recursive: true });
    writeFileSync(join(dir, folder), '');
    await expect(openRawDataset(dir)).rejects.toMatchObject(refusal('FileError', join(dir, folder), 'ENOTDIR'));
  });

  it('may not be empty', async () => {
    const dir = valid({ cases: [], datasetJson: { numTraining: 1 } });
    await expect(openRawDataset(dir)).rejects.toMatchObject(refusal('DatasetError', join(dir, 'imagesTr'), '0 cases'));
  });

  it('may not hold files of another ending only', async () => {
    const dir = valid({ datasetJson: { file_ending: '.nii' } });
    await expect(openRawDataset(dir)).rejects.toMatchObject(refusal('DatasetError', join(dir, 'imagesTr'), 'no .nii image (0 cases)'));
  });
});

describe('cases', () => {
  it('with a missing channel are named with that file', async () => {
    const cases = [randomCase('a', SHAPE, { channels: 2 }), randomCase('b', SHAPE, { channels: 2 })];
    for (const channel of [0, 1]) {
      const dir = valid({ channels: ['T1', 'T2'], cases });
      rmSync(imagePath(dir, 'b', channel));
      await expect(openRawDataset(dir)).rejects.toMatchObject(
        refusal('CaseError', imagePath(dir, 'b', channel), `channel ${channel} of case b is missing`),
      );
    }
  });

  it('may hold all channels in one file, or several in one of two', async () => {
    const [id, shape] = ['a', [2, 3, 4]];
    const content = { id, shape, images: [new Array(24).fill(1)], label: new Array(24).fill(0) };
    const several = { dims: [4, 4, 3, 2, 2], data: new Array(48).fill(1) };
    const raw = makeRawDataset(temporaryFolder(), { channels: ['T1', 'T2'], cases: [{ ...content, image: several }] });
    expect((await openRawDataset(raw)).cases).toEqual([{ id, images: [imagePath(raw, id)], label: labelPath(raw, id) }]);
    const three = makeRawDataset(temporaryFolder(), { channels: ['T1', 'T2', 'T3'], cases: [{ ...content, image: several }] });
    writeNifti(imagePath(three, id, 1), { shape, data: content.images[0] });
    expect((await openRawDataset(three)).cases[0].images).toEqual([0, 1].map((channel) => imagePath(three, id, channel)));
  });

  it('with one channel too many are named', async () => {
    const dir = valid({ cases: [randomCase('a', SHAPE), randomCase('b', SHAPE, { channels: 2 })] });
    await expect(openRawDataset(dir)).rejects.toMatchObject(refusal('CaseError', imagePath(dir, 'b', 0), 'case b has a channel 1'));
  });

  it('with a label and no image are named with the label', async () => {
    const dir = valid();
    rmSync(imagePath(dir, 'b'));
    await expect(openRawDataset(dir)).rejects.toMatchObject(
      refusal('CaseError', labelPath(dir, 'b'), `has no image ${imagePath(dir, 'b')}`),
    );
  });

  it('with an image and no label are named with the label', async () => {
    const dir = valid();
    rmSync(labelPath(dir, 'a'));
    await expect(openRawDataset(dir)).rejects.toMatchObject(refusal('CaseError', labelPath(dir, 'a'), 'no label'));
  });

  it('must have a channel number in the names of their images', async () => {
    for (const name of ['c.nii.gz', 'c_000.nii.gz', 'c_00001.nii.gz', 'c-0000.nii.gz', '_0000.nii.gz']) {
      const dir = valid();
      writeFileSync(join(dir, 'imagesTr', name), '');
      await expect(openRawDataset(dir)).rejects.toMatchObject(refusal('DatasetError', join(dir, 'imagesTr', name), 'no channel number'));
    }
  });

  it('with problems are all named in one error', async () => {
    const cases = ['a', 'b', 'c', 'd', 'e'].map((id) => randomCase(id, SHAPE, { channels: id === 'c' ? 3 : 2 }));
    const dir = valid({ channels: ['T1', 'T2'], cases });
    rmSync(imagePath(dir, 'a', 1));
    rmSync(labelPath(dir, 'b'));
    rmSync(imagePath(dir, 'd', 0));
    rmSync(imagePath(dir, 'd', 1));
    const error = await openRawDataset(dir).then(
      () => null,
      (reason: CasesError) => reason,
    );
    expect(error).toMatchObject({ name: 'CasesError', code: 'VOXFEED_BAD_CASES', where: dir, what: expect.stringContaining('4 cases') });
    const places = [imagePath(dir, 'a', 1), labelPath(dir, 'b'), imagePath(dir, 'c', 0), labelPath(dir, 'd')];
    expect(error?.errors.map(({ name, where }) => [name, where])).toEqual(places.map((place) => ['CaseError', place]));
    for (const place of places) expect(error?.message).toContain(place);
  });
});

describe('a data set that lists its files in dataset.json', () => {
  const listing = (dataset: unknown) => valid({ datasetJson: { dataset } });

  it('has those cases, from paths relative to its folder, with environment variables', async () => {
    const dir = listing({
      z: { images: ['imagesTr/a_0000.nii.gz'], label: 'labelsTr/a.nii.gz' },
      b: { images: ['$VOXFEED_TEST_RAW/imagesTr/b_0000.nii.gz'], label: `\${VOXFEED_TEST_RAW}/labelsTr/b.nii.gz` },
    });
    process.env.VOXFEED_TEST_RAW = dir;
    expect((await openRawDataset(dir)).cases).toEqual([
      { id: 'b', images: [imagePath(dir, 'b')], label: labelPath(dir, 'b') },
      { id: 'z', images: [imagePath(dir, 'a')], label: labelPath(dir, 'a') },
    ]);
  });

  it.each([[[]], {}, 'a', { a: null }, { a: { images: 'a.nii.gz', label: 'a.nii.gz' } }, { a: { images: ['a.nii.gz'] } }])(
    'is refused where the list is %j',
    async (dataset) => {
      const dir = listing(dataset);
      await expect(openRawDataset(dir)).rejects.toMatchObject(refusal('DatasetError', join(dir, 'dataset.json'), /^dataset(\.\w+)*: /));
    },
  );

  it.each(['../a', 'a/b', 'a\\b', 'a\nb', '..', '.a', 'x'.repeat(201)])('is refused where a case is called %j', async (id) => {
    const dir = listing({ [id]: { images: ['imagesTr/a_0000.nii.gz'], label: 'labelsTr/a.nii.gz' } });
    await expect(openRawDataset(dir)).rejects.toMatchObject(
      refusal('DatasetError', join(dir, 'dataset.json'), `dataset.${id}: ${JSON.stringify(id).slice(0, 200)}`),
    );
  });

  it('is refused where two cases would be one on some file systems', async () => {
    const files = { images: ['imagesTr/a_0000.nii.gz'], label: 'labelsTr/a.nii.gz' };
    const dir = listing({ Case: files, case: files });
    await expect(openRawDataset(dir)).rejects.toMatchObject(
      refusal('CaseError', join(dir, 'dataset.json'), 'cases Case and case differ in case or accents alone'),
    );
  });

  it('has every file named that is not there, and every case with too few', async () => {
    const dir = listing({ a: { images: ['gone.nii.gz'], label: 'labelsTr/a.nii.gz' }, b: { images: [], label: 'labelsTr/b.nii.gz' } });
    const error: CasesError = await openRawDataset(dir).catch((reason) => reason);
    expect(error.errors.map(({ where }) => where)).toEqual([join(dir, 'gone.nii.gz'), join(dir, 'dataset.json')]);
  });
});
