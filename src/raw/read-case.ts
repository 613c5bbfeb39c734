import { CaseError } from '../common/errors.ts';
import { type Box, boxShape, show, showVoxel, type Triple } from '../common/geometry.ts';
import { type NiftiVolume, readNifti } from '../formats/nifti.ts';
import { cropVolume, markLabelsOutside, nonzeroRegion } from './crop.ts';
import { foregroundOf, isWide, type Labels } from './labels.ts';
import type { RawCase } from './raw-dataset.ts';

/** One case, checked and cropped to its nonzero region. Everything in array order [z, y, x]. */
export interface CroppedCase {
  id: string;
  /** One array per channel, raw intensities. */
  channels: Float32Array[];
  /** int16 where the data set has labels above 127. -1 marks voxels outside the nonzero region. */
  segmentation: Int8Array | Int16Array;
  shape: Triple;
  spacing: Triple;
  shapeBeforeCrop: Triple;
  cropBox: Box;
  /** Of the raw image: voxel (x, y, z, 1) to millimetres. */
  affine: number[][];
}

/** Two files are in the same place if no corner of the volume differs by more than this part of a voxel. */
const GEOMETRY_TOLERANCE = 0.1;

/**
 * Reads and checks one raw case and crops it, one file at a time.
 * @throws CaseError naming the file: damaged, NaN or infinite voxels, unknown labels, shapes or geometry that disagree.
 */
export async function readCase(raw: RawCase, labels: Labels): Promise<CroppedCase> {
  const images = await readImages(raw.images);
  const segmentation = await readLabelFile(raw.label, labels, images[0]);

  return cropImages(raw.id, images, segmentation);
}

/**
 * Crops a case to its nonzero region and marks labels outside of it. `images` is emptied: each volume leaves when its cropped one is
 * there.
 * @param segmentation on the images' grid
 */
export function cropImages(id: string, images: NiftiVolume[], segmentation: Int8Array | Int16Array): CroppedCase {
  const [{ shape, spacing, affine }] = images;
  const channels = images.map(({ data }) => data);
  images.length = 0;
  const { marks, box } = nonzeroRegion(channels, shape);
  markLabelsOutside(segmentation, marks);
  for (const [i, channel] of channels.entries()) channels[i] = cropVolume(channel, shape, box);
  return {
    id,
    channels,
    segmentation: cropVolume(segmentation, shape, box),
    shape: boxShape(box),
    spacing,
    shapeBeforeCrop: shape,
    cropBox: box,
    affine,
  };
}

/** The channels of one case: finite values on one grid. @throws CaseError, FileError naming the file */
export async function readImages(paths: readonly string[]): Promise<NiftiVolume[]> {
  const images: NiftiVolume[] = [];
  for (const path of paths) {
    const image = await readNifti(path);
    if (images.length > 0) checkSamePlace(images[0], image);
    checkFinite(image);
    images.push(image);
  }
  return images;
}

/** The label alone, as it is in the file. */
export async function readSegmentation(
  raw: RawCase,
  labels: Labels,
): Promise<{ data: Int8Array | Int16Array; shape: Triple; spacing: Triple }> {
  const label = await readNifti(raw.label);
  return { data: toLabels(label, labels), shape: label.shape, spacing: label.spacing };
}

async function readLabelFile(path: string, labels: Labels, image: NiftiVolume): Promise<Int8Array | Int16Array> {
  const label = await readNifti(path);
  checkSamePlace(image, label);
  return toLabels(label, labels);
}

function checkSamePlace(image: NiftiVolume, other: NiftiVolume): void {
  const action = `Every channel and the label of a case must lie on one grid: resample or correct ${other.path}`;
  if (image.shape.some((size, axis) => size !== other.shape[axis])) {
    throw new CaseError(other.path, `its shape ${show(other.shape)} (z, y, x) differs from ${show(image.shape)} of ${image.path}`, action);
  }
  if (image.spacing.some((size, axis) => Math.abs(size - other.spacing[axis]) > 1e-3 * size)) {
    throw new CaseError(
      other.path,
      `its spacing ${show(other.spacing)} (z, y, x) differs from ${show(image.spacing)} of ${image.path}`,
      action,
    );
  }
  const [depth, height, width] = image.shape;
  let distance = 0;
  for (let corner = 0; corner < 8; corner++) {
    const at = [corner & 1 ? width : 0, corner & 2 ? height : 0, corner & 4 ? depth : 0, 1];
    for (let row = 0; row < 3; row++) {
      const difference = at.reduce((sum, value, column) => sum + value * (image.affine[row][column] - other.affine[row][column]), 0);
      distance = Math.max(distance, Math.abs(difference));
    }
  }
  if (!(distance <= GEOMETRY_TOLERANCE * Math.min(...image.spacing))) {
    throw new CaseError(
      other.path,
      `its origin or direction differs from ${image.path} (a corner lies ${distance.toPrecision(3)} mm away)`,
      action,
    );
  }
}

function checkFinite(image: NiftiVolume): void {
  const { data, shape } = image;
  let bad = 0;
  let first = -1;
  for (let i = 0; i < data.length; i++) {
    if (Number.isFinite(data[i])) continue;
    if (bad++ === 0) first = i;
  }
  if (bad === 0) return;
  throw new CaseError(
    image.path,
    `${bad} voxels are NaN or infinite, the first at ${showVoxel(first, shape)}`,
    'Replace them, for example by 0 or the background value',
  );
}

function toLabels(label: NiftiVolume, labels: Labels): Int8Array | Int16Array {
  const { values, ignore, classes } = labels;
  const known = new Set(ignore === null ? values : [...values, ignore]);
  const { data, shape } = label;
  const segmentation = isWide(labels) ? new Int16Array(data.length) : new Int8Array(data.length);
  for (let i = 0; i < data.length; i++) {
    if (!known.has(data[i])) {
      const names = foregroundOf(classes).map(({ name, labels }) => `${name} ${labels.join('+')}`);
      throw new CaseError(
        label.path,
        `the label value ${data[i]} at ${showVoxel(i, shape)} is not in dataset.json`,
        `It names background 0, ${names.join(', ')}${ignore === null ? '' : `, ignore ${ignore}`}: correct the label or dataset.json`,
      );
    }
    segmentation[i] = data[i];
  }
  return segmentation;
}
