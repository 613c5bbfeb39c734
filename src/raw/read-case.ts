import { CaseError } from '../common/errors.ts';
import { type Box, boxShape, showVoxel, type Triple } from '../common/geometry.ts';
import type { LabelNumbers } from '../formats/values.ts';
import { cropVolume, markLabelsOutside, nonzeroRegion } from './crop.ts';
import { foregroundOf, isWide, type Labels } from './labels.ts';
import type { RawCase } from './raw-dataset.ts';
import { type FilePlace, type ReadVolume, readLabelVolumes, readVolumes } from './read-volumes.ts';
import { type NotedReading, READERS } from './readers.ts';
import { SamePlace } from './same-place.ts';

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
  /** Of the image as it was read: voxel (x, y, z, 1) to millimetres. */
  affine: number[][];
  /** How the first image lay in its file. */
  file: FilePlace;
}

/**
 * Reads and checks one raw case and crops it, one file at a time.
 * @throws CaseError naming the file: damaged, unknown labels, shapes that disagree, and what is to be strict
 */
export async function readCase(raw: RawCase, labels: Labels, reading: NotedReading): Promise<CroppedCase> {
  const { images, place } = await readFiles(raw.images, reading);
  const label = await readLabel(raw.label, reading);
  place.check(label, reading);
  place.note(reading);
  return cropImages(raw.id, images, toLabels(label, labels));
}

/**
 * Crops a case to its nonzero region and marks labels outside of it. `images` is emptied: each volume leaves when its cropped one is
 * there.
 * @param segmentation on the images' grid
 */
export function cropImages(id: string, images: ReadVolume[], segmentation: Int8Array | Int16Array): CroppedCase {
  const [{ shape, spacing, affine, file }] = images;
  const channels = images.map(({ data }) => data);
  images.length = 0;
  const { marks, box } = nonzeroRegion(channels, shape);
  if (marks !== null) markLabelsOutside(segmentation, marks);
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
    file,
  };
}

/** The channels of one case: finite values on one grid. @throws CaseError, FileError naming the file */
export async function readImages(paths: readonly string[], reading: NotedReading): Promise<ReadVolume[]> {
  const { images, place } = await readFiles(paths, reading);
  place.note(reading);
  return images;
}

async function readFiles(paths: readonly string[], reading: NotedReading): Promise<{ images: ReadVolume[]; place: SamePlace }> {
  const [first, ...rest] = paths;
  const images = await readVolumes(first, reading);
  const place = new SamePlace(images[0]);
  for (const path of rest) {
    const more = await readVolumes(path, reading);
    place.check(more[0], reading);
    images.push(...more);
  }
  if (images.length === reading.channels) return { images, place };
  throw new CaseError(
    first,
    `its case holds ${images.length} channels, ${reading.channels} are named`,
    'Name each channel in dataset.json, or remove what is too much',
  );
}

/** The label alone, as it is in the file. */
export async function readSegmentation(
  raw: RawCase,
  labels: Labels,
  reading: NotedReading,
): Promise<{ data: Int8Array | Int16Array; shape: Triple; spacing: Triple }> {
  const label = await readLabel(raw.label, reading);
  return { data: toLabels(label, labels), shape: label.shape, spacing: label.spacing };
}

async function readLabel(path: string, reading: NotedReading): Promise<ReadVolume<LabelNumbers>> {
  const [label, ...more] = await readLabelVolumes(path, reading);
  if (more.length === 0) return label;
  throw new CaseError(
    path,
    READERS[reading.reader].family === 'scikit-image'
      ? `it has ${1 + more.length} numbers a pixel`
      : `it has four axes: ${1 + more.length} volumes along the last`,
    'Write the label as one volume, a number for each label',
  );
}

function toLabels(label: ReadVolume<LabelNumbers>, labels: Labels): Int8Array | Int16Array {
  const { values, ignore } = labels;
  const numbers = ignore === null ? values : [...values, ignore];
  // One entry a label, so that a voxel costs one look.
  const known = new Uint8Array(Math.max(...numbers) + 1);
  for (const value of numbers) known[value] = 1;
  const { data } = label;
  if (!isWide(labels) && (data instanceof Uint8Array || data instanceof Int8Array)) {
    const unknown = firstUnknown(new Uint8Array(data.buffer, data.byteOffset, data.length), known);
    if (unknown >= 0) throw unknownLabel(label, unknown, labels);
    // They are what they are to be, where they are.
    return new Int8Array(data.buffer, data.byteOffset, data.length);
  }
  const segmentation = isWide(labels) ? new Int16Array(data.length) : new Int8Array(data.length);
  // Most voxels are labelled as the one before them, and most of those as 0, which they are already.
  let stored = Number.NaN;
  let value = 0;
  for (let i = 0; i < data.length; i++) {
    if (data[i] !== stored) {
      stored = data[i];
      value = stored | 0;
      if (value !== stored || known[value] !== 1) throw unknownLabel(label, i, labels);
    }
    if (value !== 0) segmentation[i] = value;
  }
  return segmentation;
}

/** The first voxel whose label is not known, or -1. Most are labelled as the one before them: where they can be, four are looked at at once. */
function firstUnknown(labels: Uint8Array, known: Uint8Array): number {
  const fours = labels.byteOffset % 4 === 0 ? new Int32Array(labels.buffer, labels.byteOffset, labels.length >> 2) : new Int32Array(0);
  let last = ~fours[0];
  for (let i = 0; i < fours.length; i++) {
    if (fours[i] === last) continue;
    last = fours[i];
    for (let at = 4 * i; at < 4 * i + 4; at++) if (known[labels[at]] !== 1) return at;
  }
  for (let at = 4 * fours.length; at < labels.length; at++) if (known[labels[at]] !== 1) return at;
  return -1;
}

function unknownLabel({ path, data, shape }: ReadVolume<LabelNumbers>, i: number, { classes, ignore }: Labels): CaseError {
  const names = foregroundOf(classes).map(({ name, labels }) => `${name} ${labels.join('+')}`);
  return new CaseError(
    path,
    `the label value ${data[i]} at ${showVoxel(i, shape)} is not in dataset.json`,
    `It names background 0, ${names.join(', ')}${ignore === null ? '' : `, ignore ${ignore}`}: correct the label or dataset.json`,
  );
}
