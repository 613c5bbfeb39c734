import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { planDataset } from '../../src/preprocessing/plan-dataset.ts';
import { preprocess } from '../../src/preprocessing/preprocess.ts';
import { openRawDataset } from '../../src/raw/raw-dataset.ts';
import { readCase } from '../../src/raw/read-case.ts';
import { openStore } from '../../src/store/store.ts';
import { itkHeader, writeImage } from '../fixtures/image-file.ts';
import { randomCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { readNpy } from './store-files.ts';

const SHAPE = [12, 16, 14];
const SPACING = [2, 1.5, 1];

/** Two cases, the second one with other steps, so that it is resampled. @param colours of 2D images */
function makeDataset(ending: string, { flat = false, colours = 1 } = {}): string {
  const raw = join(temporaryFolder(), 'Dataset001_Formats');
  for (const folder of ['imagesTr', 'labelsTr']) mkdirSync(join(raw, folder), { recursive: true });
  const channels = Object.fromEntries(Array.from({ length: colours }, (_, c) => [String(c), `c${c}`]));
  const labels = { background: 0, organ: 1 };
  writeFileSync(join(raw, 'dataset.json'), JSON.stringify({ channel_names: channels, labels, numTraining: 2, file_ending: ending }));
  const shape = flat ? [48, 40] : SHAPE;
  for (const [i, id] of ['a', 'b'].entries()) {
    const { images, label } = randomCase(id, [...shape, colours], { seed: i + 1, sparse: true });
    const spacing = SPACING.map((size) => (i % 2 === 0 ? size : size * 0.8));
    const header = itkHeader(SHAPE, spacing);
    const voxels = label.length / colours;
    writeImage(
      join(raw, 'imagesTr', `${id}_0000${ending}`),
      Uint8Array.from(images[0], (value) => value % 251),
      shape,
      header,
    );
    writeImage(join(raw, 'labelsTr', `${id}${ending}`), Uint8Array.from(label).slice(0, voxels), shape, header);
    if (!flat && ending.startsWith('.tif'))
      for (const folder of ['imagesTr', 'labelsTr']) writeFileSync(join(raw, folder, `${id}.json`), JSON.stringify({ spacing }));
  }
  return raw;
}

/** The stored arrays of all cases, made by one worker thread. */
async function storeOf(raw: string) {
  const outDir = join(raw, '..', 'store');
  const { plans } = await planDataset(raw, { workers: 1, outDir });
  await preprocess(raw, outDir, { workers: 1 });
  const store = await openStore(outDir);
  const arrays = ['a', 'b'].map((id) => [readNpy(outDir, `${id}.npy`), readNpy(outDir, `${id}_seg.npy`)] as const);
  return { plans, store, arrays };
}

describe('a data set', () => {
  it('makes the same store whatever the format of its volumes', async () => {
    const [nrrd, ...others] = await Promise.all(['.nrrd', '.mha', '.gipl', '.tif'].map((ending) => storeOf(makeDataset(ending))));
    expect(nrrd.plans.image_reader_writer).toBe('SimpleITKIO');
    expect(others.map(({ plans }) => plans.image_reader_writer)).toEqual(['SimpleITKIO', 'SimpleITKIO', 'Tiff3DIO']);
    // GIPL has spacings as float32.
    for (const { arrays } of [others[0], others[2]]) expect(arrays).toEqual(nrrd.arrays);
    for (const [i, [image]] of others[1].arrays.entries()) expect(image.shape).toEqual(nrrd.arrays[i][0].shape);
  });

  it.each([
    ['.png', 3],
    ['.bmp', 1],
    ['.tif', 1],
  ])('of 2D images, %s with %i channels, gets a 2D plan and keeps its size', async (ending, colours) => {
    const { plans, arrays } = await storeOf(makeDataset(ending, { flat: true, colours }));
    expect(plans.image_reader_writer).toBe('NaturalImage2DIO');
    expect(Object.keys(plans.configurations)).toEqual(['2d']);
    expect(arrays[0].map((array) => array.shape)).toEqual([
      [colours, 1, 48, 40],
      [1, 48, 40],
    ]);
  });

  it('of stacks may lack the spacing of a label: that of its image counts', async () => {
    const raw = makeDataset('.tif');
    rmSync(join(raw, 'labelsTr', 'a.json'));
    const { cases, labels } = await openRawDataset(raw);
    const notes: string[] = [];
    const found = await readCase(cases[0], labels, { reader: 'Tiff3DIO', channels: 1, notes });
    expect(found.spacing).toEqual(SPACING);
    expect(notes).toEqual([]);
  });

  it('of .tif stacks may be told by its first image that it is no set of 2D images', async () => {
    const { reader, notes } = await openRawDataset(makeDataset('.tif'));
    expect(reader).toBe('Tiff3DIO');
    expect(notes).toEqual([expect.stringMatching(/^NaturalImage2DIO cannot read .*a_0000.tif: Tiff3DIO reads the images$/)]);
  });
});
