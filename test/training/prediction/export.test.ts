import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Box, Triple } from '../../../src/common/geometry.ts';
import { transpose, voxels } from '../../../src/common/geometry.ts';
import { readNifti } from '../../../src/formats/nifti.ts';
import { writeLabels } from '../../../src/formats/nifti-writer.ts';
import { resampleImage, separateAxis } from '../../../src/preprocessing/resampling/resample-image.ts';
import { transposeVolume } from '../../../src/preprocessing/transpose.ts';
import { cropVolume } from '../../../src/raw/crop.ts';
import { LabelVolume, lastRegion, type Origin } from '../../../src/training/prediction/export.ts';
import { writeNifti } from '../../fixtures/nifti-file.ts';
import { temporaryFolder } from '../../fixtures/temporary-folder.ts';

const dir = temporaryFolder();

/** Of whole volumes, one a class, given plane by plane. */
function labelsOf(logits: readonly Float32Array[], shape: Triple, spacing: Triple, origin: Origin, regions?: number[]): Int16Array {
  const volume = new LabelVolume(shape, spacing, origin, regions && lastRegion(regions));
  const area = shape[1] * shape[2];
  for (let z = 0; z < shape[0]; z++) volume.add(logits.map((map) => map.slice(z * area, (z + 1) * area)));
  return volume.labels();
}

test.each<[string, Triple]>([
  ['as they are', [0, 1, 2]],
  ['in another order', [2, 0, 1]],
  ['in a third order', [1, 0, 2]],
])('labels go back to where the image was: axes %s', (_, order) => {
  const shape: Triple = [4, 6, 5];
  const truth = Int16Array.from({ length: 120 }, (_, i) => i % 3);
  const box: Box = { lower: [1, 2, 0], upper: [4, 5, 5] };
  const whole = transpose(shape, order);
  const cropBox = { lower: transpose(box.lower, order), upper: transpose(box.upper, order) };
  const cropped = cropVolume(transposeVolume(truth, shape, order), whole, cropBox);
  const logits = [0, 1, 2].map((label) => Float32Array.from(cropped, (value) => (value === label ? 1 : 0)));
  const spacing: Triple = [1, 1, 1];
  const found = labelsOf(logits, [0, 1, 2].map((axis) => cropBox.upper[axis] - cropBox.lower[axis]) as Triple, spacing, {
    spacing,
    shapeBeforeCrop: whole,
    cropBox,
    transpose: order,
  });
  const expected = truth.map((value, i) => {
    const at = [Math.floor(i / 30), Math.floor(i / 5) % 6, i % 5];
    return at.every((place, axis) => place >= box.lower[axis] && place < box.upper[axis]) ? value : 0;
  });
  expect(found).toEqual(expected);
});

test('logits of a coarser grid are resampled', () => {
  const origin = {
    spacing: [1, 1, 1] as Triple,
    shapeBeforeCrop: [4, 4, 8] as Triple,
    cropBox: { lower: [0, 0, 0] as Triple, upper: [4, 4, 8] as Triple },
    transpose: [0, 1, 2] as Triple,
  };
  const right = Float32Array.from({ length: 32 }, (_, i) => (i % 4 < 2 ? -1 : 1));
  const found = labelsOf([right.map((value) => -value), right], [2, 4, 4], [2, 1, 2], origin);
  expect(found).toEqual(Int16Array.from({ length: 128 }, (_, i) => (i % 8 < 4 ? 0 : 1)));
});

test('regions become labels in their order, where their probability is above one half', () => {
  const origin = {
    spacing: [1, 1, 1] as Triple,
    shapeBeforeCrop: [1, 1, 6] as Triple,
    cropBox: { lower: [0, 0, 1], upper: [1, 1, 6] } as Box,
    transpose: [0, 1, 2] as Triple,
  };
  // The whole, then the core in it, then a part of either.
  const logits = [
    [-1, 2, 0.1, 9, 0],
    [-1, -1, 0.2, 1, -3],
    [-1, -9, -1, 0.5, 4],
  ].map((row) => Float32Array.from(row));
  expect([...labelsOf(logits, [1, 1, 5], [1, 1, 1], origin, [2, 1, 7])]).toEqual([0, 0, 2, 1, 7, 7]);
});

test.each<[string, Triple, Triple, Triple, Triple]>([
  ['finer', [5, 6, 4], [9, 11, 7], [2, 2, 2], [1.1, 1.1, 1.1]],
  ['coarser', [9, 11, 7], [5, 6, 4], [1, 1, 1], [1.8, 1.8, 1.75]],
  ['much coarser along the first axis', [20, 6, 5], [3, 6, 5], [1, 1, 1], [2.9, 1, 1]],
  ['of thick planes', [4, 6, 5], [9, 9, 7], [5, 1, 1], [2.2, 0.7, 0.7]],
  ['of thin planes, thick rows', [6, 3, 5], [4, 7, 8], [1, 4, 1], [1.5, 1.7, 0.6]],
  ['with as many planes', [6, 3, 5], [6, 7, 8], [1, 1, 1], [1, 0.5, 0.6]],
])('plane by plane comes what comes of whole volumes: a grid %s', (_, shape, target, spacing, own) => {
  const logits = [1, 2, 3].map((seed) => Float32Array.from({ length: voxels(shape) }, (_, i) => Math.sin(seed * (i + 1) ** 1.3)));
  const separate = separateAxis(spacing, own);
  const whole = logits.map((map) => resampleImage(map, shape, target, { order: 1, orderZ: 0, separate }));
  const expected = Int16Array.from(whole[0], (first, i) =>
    first >= whole[1][i] && first >= whole[2][i] ? 0 : whole[1][i] >= whole[2][i] ? 1 : 2,
  );
  const cropBox: Box = { lower: [0, 0, 0], upper: target };
  const found = labelsOf(logits, shape, spacing, { spacing: own, shapeBeforeCrop: target, cropBox, transpose: [0, 1, 2] });
  expect(found).toEqual(expected);
});

test.each([
  ['labels.nii', {}],
  ['labels.nii.gz', {}],
  ['big-endian.nii', { bigEndian: true }],
  ['second.nii.gz', { version: 2 as const }],
  ['turned.nii', { quaternion: [0.5, 0.5, 0.5] as const }],
])('%s has the geometry of its image, and whole labels', async (name, kind) => {
  const image = join(dir, `image-${name}`.replace('.gz', ''));
  const data = Array.from({ length: 24 }, (_, i) => i);
  writeNifti(image, {
    shape: [2, 3, 4],
    spacing: [3, 0.5, 0.75],
    origin: [1, -2, 3],
    datatype: 'int16',
    data,
    slope: 2,
    inter: 5,
    ...kind,
  });
  const labels = Int16Array.from({ length: 24 }, (_, i) => i % 5);
  const path = join(dir, name);
  await writeLabels(path, labels, image);
  const [of, found] = [await readNifti(image), await readNifti(path)];
  expect({ shape: found.shape, spacing: found.spacing, affine: found.affine }).toEqual({
    shape: of.shape,
    spacing: of.spacing,
    affine: of.affine,
  });
  expect(Int16Array.from(found.data)).toEqual(labels);
});

test('labels above 255 need 16 bits', async () => {
  const image = join(dir, 'wide.nii');
  writeNifti(image, { shape: [1, 2, 2], bigEndian: true, datatype: 'float32', data: [0, 1, 2, 3] });
  const path = join(dir, 'wide-labels.nii.gz');
  await writeLabels(path, Int16Array.of(0, 300, 2, 3), image);
  expect([...(await readNifti(path)).data]).toEqual([0, 300, 2, 3]);
});
