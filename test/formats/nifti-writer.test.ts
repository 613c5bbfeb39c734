import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Triple } from '../../src/common/geometry.ts';
import { readNifti, readNiftiVolumes } from '../../src/formats/nifti.ts';
import { encodeNifti, writeLabels } from '../../src/formats/nifti-writer.ts';
import { decodeValues } from '../../src/formats/values.ts';
import { patchAffine } from '../../src/store/patch-affine.ts';
import type { Sidecar } from '../../src/store/sidecar.ts';
import { writeNifti } from '../fixtures/nifti-file.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

const AFFINE = [
  [-1.5, 0, 0, 10],
  [0, 0, 2, -20],
  [0, 0.75, 0, 30.5],
  [0, 0, 0, 1],
];

describe('a written NIfTI file', () => {
  it.each([Float32Array.from({ length: 24 }, (_, i) => i / 7 - 1), Int16Array.from({ length: 24 }, (_, i) => 900 * (i - 12))])(
    'is read as it was written',
    async (data) => {
      const path = join(temporaryFolder(), 'volume.nii.gz');
      writeFileSync(path, encodeNifti(data, [2, 3, 4], AFFINE));
      const read = await readNifti(path);
      expect(read.shape).toEqual([2, 3, 4]);
      expect([...read.data]).toEqual([...data]);
      expect(read.affine).toEqual(AFFINE);
      expect(read.spacing).toEqual([2, 0.75, 1.5]);
    },
  );
});

describe('labels in the geometry of an image', () => {
  it.each([1, 2] as const)('of several channels are one volume (NIfTI-%i)', async (version) => {
    const dir = temporaryFolder();
    const image = join(dir, 'image.nii.gz');
    const place = { origin: [1, 2, 3], quaternion: [0.5, 0.5, 0.5] } as const;
    writeNifti(image, { shape: [2, 3, 4], dims: [4, 4, 3, 2, 2], data: new Array(48).fill(5), version, ...place });
    const labels = Int16Array.from({ length: 24 }, (_, i) => i % 3);
    await writeLabels(join(dir, 'labels.nii'), labels, image);
    const read = await readNifti(join(dir, 'labels.nii'));
    expect(read).toMatchObject({ shape: [2, 3, 4], data: Float32Array.from(labels), odd: [] });
    expect(read.affine).toEqual((await readNiftiVolumes(image, 'itk', decodeValues))[1].affine);
  });
});

describe('the place of a patch', () => {
  const sidecar = {
    affine: AFFINE,
    // Stored axis 0 is the raw x, 1 the raw z, 2 the raw y.
    transpose: [2, 0, 1] as Triple,
    cropBox: { lower: [1, 2, 3] as Triple, upper: [7, 12, 11] as Triple },
    shape: [12, 5, 8] as Triple,
    spacing: [0.75, 4, 0.75] as Triple,
  } as Sidecar;
  const world = (matrix: number[][], index: number[]): number[] =>
    matrix.slice(0, 3).map((row) => row[3] + index.reduce((sum, at, i) => sum + row[i] * at, 0));

  it('leads back through resampling, crop and order of axes', () => {
    const placed = patchAffine(sidecar, [-2, 1, 4]);
    for (const [z, y, x] of [
      [0, 0, 0],
      [3, 2, 1],
      [5, 0, 7],
    ]) {
      // Stored along axis 0: half voxels; along axis 1: double ones; along axis 2: as they are.
      const rawX = 1 + (-2 + z + 0.5) / 2 - 0.5;
      const rawZ = 2 + (1 + y + 0.5) * 2 - 0.5;
      const rawY = 3 + (4 + x);
      const [found, expected] = [world(placed, [x, y, z]), world(AFFINE, [rawX, rawY, rawZ])];
      for (const axis of [0, 1, 2]) expect(found[axis]).toBeCloseTo(expected[axis], 10);
    }
    expect(placed[3]).toEqual([0, 0, 0, 1]);
  });

  it('is by spacing alone where the raw file says nothing', () => {
    const placed = patchAffine({ ...sidecar, affine: [] }, [1, 2, 3]);
    expect(world(placed, [0, 0, 0])).toEqual([2.25, 8, 0.75]);
    expect(world(placed, [1, 1, 1])).toEqual([3, 12, 1.5]);
  });
});
