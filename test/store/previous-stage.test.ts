import { mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { CaseError, FileError, OptionError } from '../../src/common/errors.ts';
import { type Triple, voxels } from '../../src/common/geometry.ts';
import { divide } from '../../src/formats/b2nd/block-shape.ts';
import { encodeB2nd } from '../../src/formats/b2nd/encode-b2nd.ts';
import { encodeNpyHeader } from '../../src/formats/npy.ts';
import { openPreviousStage } from '../../src/store/previous-stage.ts';
import type { Store } from '../../src/store/store.ts';
import { writeNifti } from '../fixtures/nifti-file.ts';
import { makeStore } from '../fixtures/store.ts';
import { undisturbedHashes } from '../fixtures/stream.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';
import { zipFile } from '../fixtures/zip-file.ts';

const SHAPES: Triple[] = [
  [3, 4, 5],
  [2, 6, 4],
];
const labels = SHAPES.map((shape) => Uint8Array.from({ length: voxels(shape) }, (_, i) => i % 3));

let dir: string;
let store: Store;

/** An array file as `numpy.save` writes it. */
function npy(path: string, shape: readonly number[], data: Uint8Array | Int16Array | Int8Array, descr: string): void {
  const header = encodeNpyHeader('|i1', shape);
  const text = header.toString('latin1').replace("'|i1'", `'${descr}'`);
  // One character more or less goes off the filling.
  const padded = text.length > header.length ? text.replace('  ', ' ') : text;
  writeFileSync(path, Buffer.concat([Buffer.from(padded, 'latin1'), new Uint8Array(data.buffer)]));
}

beforeEach(async () => {
  const root = temporaryFolder();
  store = await makeStore(join(root, 'store'), { shapes: SHAPES });
  dir = join(root, 'previous');
  mkdirSync(dir);
  for (const [i, shape] of SHAPES.entries()) npy(join(dir, `case_00${i}.npy`), shape, labels[i], '|u1');
});

describe('the segmentations of a previous stage', () => {
  it('are arrays, or NIfTI files that are converted once', async () => {
    const { hash, arrays } = await openPreviousStage(dir, store);
    expect(arrays).toEqual([0, 1].map((i) => ({ path: join(dir, `case_00${i}.npy`), format: 'npy' })));
    for (const ending of ['.nii.gz', '.nii']) {
      rmSync(join(dir, 'case_001.npy'));
      const nifti = join(dir, `case_001${ending}`);
      writeNifti(nifti, { shape: SHAPES[1], data: labels[1], datatype: 'uint8' });
      const converted = await openPreviousStage(dir, store);
      expect(converted).toEqual({ hash, arrays, largestBlock: null });
      expect(new Uint8Array(readFileSync(join(dir, 'case_001.npy')).subarray(128))).toEqual(labels[1]);
      // What is newer counts, and nothing else lies about.
      writeNifti(nifti, { shape: SHAPES[1], data: labels[1].map((label) => 2 - label), datatype: 'int16' });
      utimesSync(join(dir, 'case_001.npy'), 1, 1);
      expect((await openPreviousStage(dir, store)).hash).not.toBe(hash);
      expect(readdirSync(dir)).toEqual(['case_000.npy', `case_001${ending}`, 'case_001.npy'].sort());
      rmSync(nifti);
    }
  });

  it("are nnU-Net's own files: .b2nd as they lie, .npz converted once", async () => {
    const before = await openPreviousStage(dir, store);
    for (const [i, shape] of SHAPES.entries()) {
      const [npyPath, b2ndPath, npzPath] = ['npy', 'b2nd', 'npz'].map((ending) => join(dir, `case_00${i}.${ending}`));
      const bytes = readFileSync(npyPath);
      rmSync(npyPath);
      if (i === 1) writeFileSync(npzPath, zipFile({ 'seg.npy': bytes }));
      else {
        const array = { dtype: '<i2', channels: [Int16Array.from(labels[i])], shape, division: divide(shape, [2, 3, 4], 2) } as const;
        writeFileSync(b2ndPath, Buffer.concat(encodeB2nd(array)));
      }
    }
    const { hash, arrays } = await openPreviousStage(dir, store);
    expect(arrays).toEqual([
      { path: join(dir, 'case_000.b2nd'), format: 'b2nd' },
      { path: join(dir, 'case_001.npy'), format: 'npy' },
    ]);
    expect(hash).not.toBe(before.hash); // of int16
    expect(new Uint8Array(readFileSync(join(dir, 'case_001.npy')).subarray(128))).toEqual(labels[1]);
    const options = { store, patchSize: [2, 4, 4], batchSize: 2, augmentation: 'none', workers: 1 } as const;
    const theirs = await undisturbedHashes({ ...options, previousStage: dir }, 4);
    rmSync(join(dir, 'case_000.b2nd'));
    npy(join(dir, 'case_000.npy'), SHAPES[0], labels[0], '|u1');
    expect(await undisturbedHashes({ ...options, previousStage: dir }, 4)).toEqual(theirs);
  });

  it('may have a channel axis, and two bytes a label', async () => {
    npy(join(dir, 'case_000.npy'), [1, ...SHAPES[0]], labels[0], '|i1');
    npy(join(dir, 'case_001.npy'), SHAPES[1], Int16Array.from(labels[1]), '<i2');
    expect((await openPreviousStage(dir, store)).arrays).toHaveLength(2);
  });

  it.each<[string, () => void, RegExp]>([
    [
      'a case without one',
      () => rmSync(join(dir, 'case_001.npy')),
      /case_001.npy: there is no previous-stage segmentation of case_001 in any format/,
    ],
    ['several cases without', () => [0, 1].map((i) => rmSync(join(dir, `case_00${i}.npy`))), /of case_000 and 1 other cases/],
    [
      'another shape',
      () => npy(join(dir, 'case_001.npy'), [2, 4, 6], labels[1], '|u1'),
      /case_001.npy: its shape is \[2, 4, 6\], the case is stored as \[2, 6, 4\]/,
    ],
    [
      'a NIfTI file of another shape',
      () => {
        rmSync(join(dir, 'case_001.npy'));
        writeNifti(join(dir, 'case_001.nii.gz'), { shape: [2, 4, 6], data: labels[1] });
      },
      /case_001.nii.gz: its shape is \[2, 4, 6\]/,
    ],
    [
      'a label of its own',
      () =>
        npy(
          join(dir, 'case_000.npy'),
          SHAPES[0],
          labels[0].map((label) => label + 1),
          '|u1',
        ),
      /case_000.npy: it holds the label 3. The labels of the data set are 0, 1, 2/,
    ],
    [
      'a negative label',
      () =>
        npy(
          join(dir, 'case_000.npy'),
          SHAPES[0],
          Int8Array.from(labels[0], (label) => label - 1),
          '|i1',
        ),
      /it holds the label -1/,
    ],
    [
      'a NIfTI file with half a label',
      () => {
        rmSync(join(dir, 'case_001.npy'));
        writeNifti(join(dir, 'case_001.nii.gz'), { shape: SHAPES[1], data: [...labels[1]].map((label) => label / 2) });
      },
      /case_001.nii.gz: it holds the label 0.5/,
    ],
    [
      'float numbers',
      () => writeFileSync(join(dir, 'case_000.npy'), Buffer.concat([encodeNpyHeader('<f4', SHAPES[0]), Buffer.alloc(240)])),
      /it holds float32 numbers, not labels. Save the labels as uint8/,
    ],
    [
      '64-bit numbers',
      () => npy(join(dir, 'case_000.npy'), SHAPES[0], labels[0], '<i8'),
      /case_000.npy: its header .* Save the labels as uint8/,
    ],
    ['no array', () => writeFileSync(join(dir, 'case_000.npy'), 'labels'), /case_000.npy: it is not an .npy file. Save the labels/],
    [
      'a cut-off array',
      () => npy(join(dir, 'case_000.npy'), SHAPES[0], labels[0].slice(0, 50), '|u1'),
      /it holds 178 bytes instead of 188/,
    ],
  ])('are refused with %s', async (_, spoil, message) => {
    // biome-ignore format: one line a case
    spoil();
    await expect(openPreviousStage(dir, store)).rejects.toThrow(CaseError);
    await expect(openPreviousStage(dir, store)).rejects.toThrow(message);
    expect(readdirSync(dir).filter((name) => name.includes('partial'))).toEqual([]);
  });

  it('must be in a folder', async () => {
    await expect(openPreviousStage(join(dir, 'nowhere'), store)).rejects.toThrow(FileError);
    await expect(openPreviousStage(join(dir, 'case_000.npy'), store)).rejects.toThrow(/previousStage: .* is no folder/);
    await expect(openPreviousStage(3, store)).rejects.toThrow(OptionError);
  });
});
