import { writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readLabels } from '../../src/raw/labels.ts';
import { readCase } from '../../src/raw/read-case.ts';
import type { NotedReading, Reading } from '../../src/raw/readers.ts';
import { encodeNifti, NIFTI_DATATYPES, writeNifti } from '../fixtures/nifti-file.ts';
import { imagePath, labelPath, makeRawDataset, type RawCaseContent, writeCase } from '../fixtures/raw-dataset.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const SHAPE = [2, 3, 4];
const ONES = new Array(24).fill(1);
const ZEROS = new Array(24).fill(0);

/** `values` with some of them replaced, by position. */
function withVoxels(values: number[], changes: Record<number, number>): number[] {
  return values.map((value, i) => changes[i] ?? value);
}

function writeOne(
  entry: Partial<RawCaseContent> = {},
  labels: Record<string, number | number[]> = { background: 0, organ: 1 },
  how: Partial<Reading> = {},
) {
  const content = { id: 'a', shape: SHAPE, images: [ONES], label: ZEROS, ...entry };
  const dir = makeRawDataset(temporaryFolder(), { channels: content.images.map((_, i) => `channel ${i}`), labels, cases: [content] });
  const raw = { id: 'a', images: content.images.map((_, channel) => imagePath(dir, 'a', channel)), label: labelPath(dir, 'a') };
  const reading: NotedReading = { reader: 'SimpleITKIO', channels: content.images.length, ...how, notes: [] };
  return {
    dir,
    raw,
    image: raw.images[0],
    label: raw.label,
    notes: reading.notes,
    read: () => readCase(raw, readLabels('dataset.json', labels), reading),
  };
}

const refusal = (where: string, what: string) => ({
  name: 'CaseError',
  code: 'VOXFEED_BAD_CASE',
  where,
  what: expect.stringContaining(what),
  action: expect.stringMatching(/\S/),
  message: expect.stringContaining(where),
});

describe('a case', () => {
  it('is cropped to its nonzero region, labels with it', async () => {
    // Nonzero: z 1, y 1 to 2, x 1 to 3, without the corner (1, 1, 1), which lies in the box and outside the region.
    const inside = [18, 19, 21, 22, 23];
    const image = ZEROS.map((_, i) => (inside.includes(i) ? 10 + i : 0));
    const label = withVoxels(ZEROS, { 18: 1, 0: 0 });
    const found = await writeOne({ images: [image], label, spacing: [3, 0.5, 0.25] }).read();
    expect(found.shape).toEqual([1, 2, 3]);
    expect(found.shapeBeforeCrop).toEqual([2, 3, 4]);
    expect(found.cropBox).toEqual({ lower: [1, 1, 1], upper: [2, 3, 4] });
    expect(found.spacing).toEqual([3, 0.5, 0.25]);
    expect(found.channels).toEqual([Float32Array.from([0, 28, 29, 31, 32, 33])]);
    expect(found.segmentation).toEqual(Int8Array.from([-1, 1, 0, 0, 0, 0]));
    expect(found.affine[0]).toEqual([0.25, 0, 0, 0]);
  });

  it('keeps a label that lies outside the nonzero region and inside the box', async () => {
    const image = withVoxels(ZEROS, { 0: 5, 23: 5 });
    const { segmentation } = await writeOne({ images: [image], label: withVoxels(ZEROS, { 10: 1 }) }).read();
    expect([...segmentation]).toEqual(withVoxels(new Array(24).fill(-1), { 0: 0, 10: 1, 23: 0 }));
  });

  it('of zeros keeps its extent, and all its background lies outside', async () => {
    const found = await writeOne({ images: [ZEROS], label: withVoxels(ZEROS, { 3: 1 }) }).read();
    expect(found.shape).toEqual([2, 3, 4]);
    expect([...found.segmentation]).toEqual(withVoxels(new Array(24).fill(-1), { 3: 1 }));
  });

  it('of several channels is cropped to where any of them is nonzero', async () => {
    const images = [withVoxels(ZEROS, { 5: 7 }), withVoxels(ZEROS, { 6: 9 }), ZEROS];
    const found = await writeOne({ images }).read();
    expect(found.cropBox).toEqual({ lower: [0, 1, 1], upper: [1, 2, 3] });
    expect(found.channels.map((channel) => [...channel])).toEqual([
      [7, 0],
      [0, 9],
      [0, 0],
    ]);
  });

  it('of two dimensions has a first axis of size 1', async () => {
    const found = await writeOne({ shape: [4, 6] }).read();
    expect(found.shape).toEqual([1, 4, 6]);
  });

  it('has int8 labels up to 127 and int16 labels where the data set has larger ones', async () => {
    const label = withVoxels(ZEROS, { 3: 127 });
    expect((await writeOne({ label }, { background: 0, organ: 127 }).read()).segmentation).toBeInstanceOf(Int8Array);
    const wide = (await writeOne({ label }, { background: 0, organ: 127, other: 128 }).read()).segmentation;
    expect(wide).toEqual(Int16Array.from(label));
    const large = withVoxels(ZEROS, { 3: 32767, 4: 200 });
    const found = await writeOne({ label: large, labelFile: { datatype: 'int16' } }, { background: 0, a: 200, b: 32767 }).read();
    expect(found.segmentation).toEqual(Int16Array.from(large));
  });

  it('has int16 labels where only the ignore label is above 127', async () => {
    const found = await writeOne({ label: withVoxels(ZEROS, { 3: 128, 4: 127 }) }, { background: 0, a: 127, ignore: 128 }).read();
    expect(found.segmentation).toEqual(Int16Array.from(withVoxels(ZEROS, { 3: 128, 4: 127 })));
  });

  it.each(NIFTI_DATATYPES)(
    'may have a label file of %s, in either byte order, scaled, and of a data set with labels of 16 bits',
    async (datatype) => {
      const label = withVoxels(ZEROS, { 3: 1, 4: 7, 23: 7 });
      const labels = { background: 0, a: 1, b: 7 };
      for (const bigEndian of [false, true]) {
        const found = await writeOne({ label, labelFile: { datatype, bigEndian } }, labels).read();
        expect(found.segmentation).toEqual(Int8Array.from(label));
        const wide = await writeOne({ label, labelFile: { datatype, bigEndian } }, { ...labels, c: 300 }).read();
        expect(wide.segmentation).toEqual(Int16Array.from(label));
        const odd = { background: 0, a: 1, b: 3, c: 15 };
        const scaled = await writeOne({ label, labelFile: { datatype, bigEndian, slope: 2, inter: 1 } }, odd).read();
        expect(scaled.segmentation).toEqual(Int8Array.from(label, (value) => 2 * value + 1));
      }
      const { segmentation, cropBox } = await writeOne(
        { images: [withVoxels(ZEROS, { 5: 1 })], label, labelFile: { datatype } },
        labels,
      ).read();
      expect(cropBox).toEqual({ lower: [0, 1, 1], upper: [1, 2, 2] });
      expect(segmentation).toEqual(Int8Array.of(0));
    },
  );

  it('may have an empty label', async () => {
    expect((await writeOne().read()).segmentation).toEqual(new Int8Array(24));
  });

  it('may have a label whose place differs by rounding', async () => {
    const found = await writeOne({ labelFile: { spacing: [1.0001, 1, 1], origin: [0.02, 0, -0.02] } }).read();
    expect(found.shape).toEqual([2, 3, 4]);
  });
});

describe('what is odd about a case', () => {
  const bad = { images: [withVoxels(ONES, { 17: Number.NaN, 20: Number.POSITIVE_INFINITY, 21: Number.NEGATIVE_INFINITY })] };

  it.each(['float32', 'float64'] as const)('is NaN or infinity in %s, which SimpleITK reads as 0: counted', async (datatype) => {
    const { read, image, notes } = writeOne({ ...bad, image: { datatype } });
    expect((await read()).channels).toEqual([Float32Array.from(withVoxels(ONES, { 17: 0, 20: 0, 21: 0 }))]);
    expect(notes).toEqual([
      `${image}: 3 voxels are NaN or infinite, the first at voxel [1, 1, 1] (z, y, x): read as 0, as SimpleITKIO does`,
    ]);
  });

  it('is a NaN before it is scaled: 0 is scaled, too', async () => {
    const { read } = writeOne({ ...bad, image: { slope: 2, inter: 5 } });
    expect([...(await read()).channels[0]]).toEqual(withVoxels(new Array(24).fill(7), { 17: 5, 20: 5, 21: 5 }));
  });

  it('is a NaN in the label, which SimpleITK reads as 0, in the second channel, and in neither where voxels are strict', async () => {
    const label = withVoxels(ONES, { 5: Number.NaN });
    const odd = writeOne({ images: [ONES, bad.images[0]], label, labelFile: { datatype: 'float32' } });
    expect([...(await odd.read()).segmentation]).toEqual(withVoxels(ONES, { 5: 0 }));
    expect(odd.notes.map((note) => note.split(':')[0])).toEqual([odd.raw.images[1], odd.label]);
    const strict = writeOne({ label, labelFile: { datatype: 'float32' } }, undefined, { strictVoxels: true });
    await expect(strict.read()).rejects.toMatchObject(refusal(strict.label, '1 voxels are NaN or infinite, the first at voxel [0, 1, 1]'));
    const { read, image } = writeOne(bad, undefined, { strictVoxels: true });
    await expect(read()).rejects.toMatchObject({ ...refusal(image, '3 voxels'), action: expect.stringContaining('--strict-voxels') });
  });

  it('is no NaN to nibabel readers, which keep it: the image is refused', async () => {
    const { read, image } = writeOne(bad, undefined, { reader: 'NibabelIO' });
    await expect(read()).rejects.toMatchObject({ ...refusal(image, '3 voxels are NaN'), action: expect.stringContaining('SimpleITKIO') });
    const label = writeOne({ label: withVoxels(ZEROS, { 5: Number.NaN }), labelFile: { datatype: 'float32' } }, undefined, {
      reader: 'NibabelIO',
    });
    await expect(label.read()).rejects.toMatchObject(refusal(label.label, '1 voxels are NaN'));
  });

  it.each<[string, Partial<RawCaseContent>, string]>([
    ['an origin 0.5 mm away', { labelFile: { origin: [0, -0.5, 0] } }, '0.500'],
    ['an origin 2 mm away', { labelFile: { origin: [2, -2, 0.15] } }, '2.00'],
    ['a turn about z', { labelFile: { quaternion: [0, 0, 1] } }, '8.00'],
  ])('is a label with %s: noted with the distance, used as it is; refused where geometry is strict', async (_, content, distance) => {
    const { read, label, image, notes } = writeOne({ label: withVoxels(ZEROS, { 3: 1 }), ...content });
    expect([...(await read()).segmentation]).toEqual(withVoxels(ZEROS, { 3: 1 }));
    const what = `origin or direction differs from ${image} (a corner lies ${distance} mm away)`;
    expect(notes).toEqual([expect.stringContaining(`${label}: ${what}`)]);
    const strict = writeOne(content, undefined, { strictGeometry: true });
    await expect(strict.read()).rejects.toMatchObject(refusal(strict.label, `a corner lies ${distance} mm away`));
  });

  it('is noted once a case, of the file that is farthest away', async () => {
    const { raw, read, notes } = writeOne({ images: [ONES, ONES, ONES], labelFile: { origin: [0.5, 0, 0] } });
    for (const [i, x] of [1, 3].entries()) writeNifti(raw.images[1 + i], { shape: SHAPE, data: ONES, origin: [x, 0, 0] });
    await read();
    expect(notes).toEqual([
      expect.stringContaining(`${raw.images[2]}: origin or direction differs from ${raw.images[0]} (a corner lies 3.00`),
    ]);
  });

  it('is nothing in a label whose sform disagrees with its voxel sizes, where its qform is good', async () => {
    const { label, read, notes } = writeOne({ spacing: [10, 1.3, 1.3] });
    const bytes = encodeNifti({ shape: SHAPE, data: ZEROS, datatype: 'uint8', spacing: [10, 1.3, 1.3], quaternion: [0, 0, 0] });
    // An sform of 1 mm, of the same code as the qform.
    bytes.writeInt16LE(1, 254);
    for (const axis of [0, 1, 2]) bytes.writeFloatLE(1, 280 + 20 * axis);
    writeFileSync(label, gzipSync(bytes));
    await read();
    expect(notes).toEqual([]);
  });
});

describe('channels in one file', () => {
  const two = withVoxels(ONES, { 0: 9 }).map((value) => 2 * value);
  const both = { dims: [4, 4, 3, 2, 2], data: [...ONES, ...two] };

  it('come in their order, whatever the datatype, before those of further files', async () => {
    for (const datatype of ['float32', 'int16', 'float64'] as const) {
      const { read, raw } = writeOne({ images: [ONES, ZEROS] }, undefined, { channels: 3 });
      writeNifti(raw.images[0], { shape: SHAPE, datatype, ...both });
      expect((await read()).channels.map((channel) => [...channel])).toEqual([ONES, two, ZEROS]);
    }
  });

  it('must be as many as dataset.json names, and one for a label', async () => {
    const { read, image } = writeOne({ image: both }, undefined, { channels: 3 });
    await expect(read()).rejects.toMatchObject(refusal(image, 'its case holds 2 channels, 3 are named'));
    const label = writeOne({ labelFile: both });
    await expect(label.read()).rejects.toMatchObject(refusal(label.label, 'it has four axes: 2 volumes along the last'));
  });

  it.each(['NibabelIO', 'NibabelIOWithReorient', 'SimpleITKIOWithReorient'] as const)(
    'are refused by %s, as in nnU-Net',
    async (reader) => {
      const { read, image } = writeOne({ image: both }, undefined, { reader, channels: 2 });
      await expect(read()).rejects.toMatchObject(refusal(image, 'axes'));
    },
  );
});

describe('a case that cannot be used', () => {
  it('has a value that only float64 can hold', async () => {
    const { read, image } = writeOne({ images: [withVoxels(ONES, { 3: 1e300 })], image: { datatype: 'float64' } });
    await expect(read()).rejects.toMatchObject(
      refusal(image, '1 voxels are too large for float32, in which nnU-Net computes, the first at voxel [0, 0, 3]'),
    );
  });

  it('has a label of another shape', async () => {
    const { read, label, image } = writeOne({ labelFile: { shape: [2, 4, 3] } });
    await expect(read()).rejects.toMatchObject(refusal(label, `its shape [2, 4, 3] (z, y, x) differs from [2, 3, 4] of ${image}`));
  });

  it('has channels of different shapes', async () => {
    const { dir, raw, read } = writeOne({ images: [ONES, ONES] });
    writeCase(dir, { id: 'other', shape: [1, 3, 4], images: [ONES.slice(12), ONES.slice(12)], label: ZEROS.slice(12) });
    const mixed = { ...raw, images: [raw.images[0], imagePath(dir, 'other', 1)] };
    await expect(readCase(mixed, readLabels('', { a: 1 }), { reader: 'SimpleITKIO', channels: 2, notes: [] })).rejects.toMatchObject(
      refusal(mixed.images[1], 'its shape [1, 3, 4]'),
    );
    await expect(read()).resolves.toMatchObject({ shape: [2, 3, 4] });
  });

  it.each([0, 1, 2])('has a label of another spacing along axis %d', async (axis) => {
    const spacing = [2, 1, 1].map((size, i) => (i === axis ? size * 1.01 : size));
    const { read, label } = writeOne({ spacing: [2, 1, 1], labelFile: { spacing } });
    await expect(read()).rejects.toMatchObject(refusal(label, 'its spacing'));
  });

  it('has a label value that dataset.json does not name', async () => {
    const { read, label } = writeOne({ label: withVoxels(ZEROS, { 14: 2, 20: 3 }) });
    await expect(read()).rejects.toMatchObject({
      ...refusal(label, 'the label value 2 at voxel [1, 0, 2] (z, y, x) is not in dataset.json'),
      action: expect.stringContaining('background 0, organ 1'),
    });
  });

  it('has a negative label value', async () => {
    const { read, label } = writeOne({ label: withVoxels(ZEROS, { 0: -1 }), labelFile: { datatype: 'int8' } });
    await expect(read()).rejects.toMatchObject(refusal(label, 'the label value -1'));
  });

  it('has a fraction for a label value', async () => {
    const { read, label } = writeOne({ label: withVoxels(ZEROS, { 23: 0.5 }), labelFile: { datatype: 'float32' } });
    await expect(read()).rejects.toMatchObject(refusal(label, 'the label value 0.5 at voxel [1, 2, 3]'));
  });

  it('has a label value of a byte that would wrap to one below 0', async () => {
    const { read, label } = writeOne({ label: withVoxels(ZEROS, { 3: 1, 9: 255 }), labelFile: { datatype: 'uint8' } });
    await expect(read()).rejects.toMatchObject(refusal(label, 'the label value 255'));
  });

  it('has a label value that a number of 256 values would wrap to a known one', async () => {
    const { read, label } = writeOne({ label: withVoxels(ZEROS, { 0: 257 }), labelFile: { datatype: 'int16' } });
    await expect(read()).rejects.toMatchObject(refusal(label, 'the label value 257'));
  });

  it('has a file that is damaged', async () => {
    const { read, image, label } = writeOne();
    writeFileSync(label, 'not gzip');
    await expect(read()).rejects.toMatchObject(refusal(label, 'not gzip'));
    writeFileSync(image, 'not gzip');
    await expect(read()).rejects.toMatchObject(refusal(image, 'not gzip'));
  });
});
