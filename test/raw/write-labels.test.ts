import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readFileLabels, readFileVolumes, writeFileLabels } from '../../src/raw/file-formats.ts';
import { READERS, readersFor } from '../../src/raw/readers.ts';
import { itkHeader, writeImage } from '../fixtures/image-file.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const SHAPE = [3, 4, 5];
const IMAGE = Uint16Array.from({ length: 60 }, (_, i) => 300 + i);
const LABELS = Int16Array.from({ length: 60 }, (_, i) => i % 7);
const FLAT = ['.png', '.bmp', '.tif'];

describe.each(['.nrrd', '.mha', '.gipl', '.tiff', ...FLAT])('labels of a %s image', (ending) => {
  const shape = FLAT.includes(ending) ? SHAPE.slice(1) : SHAPE;
  const count = shape.reduce((product, size) => product * size, 1);
  const { family: library } = READERS[readersFor(ending)[0]];

  async function written(labels: Int16Array): Promise<string> {
    const dir = temporaryFolder();
    const image = join(dir, `a_0000${ending}`);
    writeImage(image, IMAGE.slice(0, count), shape);
    const path = join(dir, `a${ending}`);
    await writeFileLabels(path, labels.slice(0, count), { image, library });
    const [[of], [found]] = [await readFileVolumes(image, library), await readFileLabels(path, library)];
    expect([...found.data]).toEqual([...labels.slice(0, count)]);
    expect(found.shape).toEqual(of.shape);
    for (const [row, values] of found.affine.entries())
      for (const [column, value] of values.entries()) expect(value).toBeCloseTo(of.affine[row][column], 12);
    return path;
  }

  it('lie where it lies', async () => {
    const path = await written(LABELS);
    expect(existsSync(path.replace(/\.tiff$/, '.json'))).toBe(true);
  });

  it('take 16 bits where 8 are too few, by the rule of nnU-Net from 255 on', async () => {
    const wide = LABELS.map((label) => (label === 6 ? 255 : label));
    if (ending === '.bmp')
      await expect(written(wide)).rejects.toMatchObject({ name: 'CaseError', what: expect.stringContaining('above 254') });
    else await written(wide);
  });
});

it('labels of an image with channels along a fourth axis are one volume', async () => {
  const dir = temporaryFolder();
  const { sizes, spacing, origin, directions, ...rest } = itkHeader(SHAPE);
  const header = {
    ...rest,
    sizes: [...sizes, 2],
    spacing: [...spacing, 1],
    origin: [...origin, 0],
    directions: [...directions.map((direction) => [...direction, 0]), [0, 0, 0, 1]],
  };
  for (const ending of ['nrrd', 'mha']) {
    const image = join(dir, `a_0000.${ending}`);
    writeImage(
      image,
      Uint8Array.from({ length: 120 }, (_, i) => i),
      [2, ...SHAPE],
      header,
    );
    expect((await readFileVolumes(image, 'itk')).map(({ data }) => data[0])).toEqual([0, 60]);
    const path = join(dir, `a.${ending}`);
    await writeFileLabels(path, LABELS, { image, library: 'itk' });
    expect(await readFileLabels(path, 'itk')).toMatchObject([{ shape: SHAPE, data: Uint8Array.from(LABELS) }]);
  }
});

it('the spacing of a stack goes with its labels', async () => {
  const dir = temporaryFolder();
  const image = join(dir, 'a_0000.tif');
  writeImage(image, IMAGE, SHAPE);
  writeFileSync(join(dir, 'a.json'), '{"spacing": [2.5, 0.5, 0.75]}');
  await writeFileLabels(join(dir, 'labels.tif'), LABELS, { image, library: 'tifffile' });
  expect(JSON.parse(readFileSync(join(dir, 'labels.json'), 'utf8'))).toEqual({ spacing: [2.5, 0.5, 0.75] });
});
