import { encode as encodePng } from 'fast-png';
import { writeAtomic } from '../../common/atomic-file.ts';
import { CaseError } from '../../common/errors.ts';
import { show, type Triple } from '../../common/geometry.ts';
import { type LabelVoxels, narrowed } from '../label-voxels.ts';
import { AS_STORED, decodeValues, type Numbers } from '../values.ts';
import { asVolumes, type Volume, type VolumeHead } from '../volume.ts';
import { encodeBmp } from './bmp.ts';
import type { RasterHead } from './raster.ts';
import { readRaster, readRasterHead } from './read-raster.ts';
import { isTiff } from './tiff.ts';
import { encodeTiff } from './tiff-writer.ts';

/** nnU-Net's, so that a 2D image is never resampled along the missing axis. */
const SPACING: Triple = [999, 1, 1];
const COLOURS = [3, 4];

/** Reads the header of a 2D image as nnU-Net's NaturalImage2DIO does. @throws CaseError, FileError */
export async function readNaturalHead(path: string): Promise<VolumeHead> {
  return headOf(path, await readRasterHead(path));
}

/**
 * Reads a 2D image as nnU-Net's NaturalImage2DIO does: its colours are channels.
 * @throws CaseError, FileError, MemoryError
 */
export async function readNaturalVolumes(path: string): Promise<Volume[]> {
  const { head: stored, raster } = await readRaster(path);
  const head = headOf(path, stored);
  const { channels, shape } = head;
  const count = shape[1] * shape[2];
  // Colours may come one after the other in each pixel, or one after the other as a whole.
  const [step, next] = isLast(raster.shape) ? [channels, 1] : [1, count];
  const data = Array.from({ length: channels }, (_, channel) => decodeValues(every(raster.data, channel * next, step, count), AS_STORED));
  return asVolumes(path, data, head, []);
}

/**
 * Writes labels as a gray image. @param image of the same size
 * @throws CaseError for labels that the format has no numbers for, FileError
 */
export async function writeNaturalLabels(path: string, labels: Int16Array, image: string): Promise<void> {
  const { shape } = await readNaturalHead(image);
  await writeAtomic(path, encoded(path, narrowed(labels), shape.slice(1)));
}

function encoded(path: string, data: LabelVoxels, shape: number[]): Uint8Array[] {
  if (isTiff(path)) return encodeTiff(data, shape);
  if (path.toLowerCase().endsWith('.png')) {
    const [height, width] = shape;
    return [encodePng({ data, width, height, channels: 1, depth: data.BYTES_PER_ELEMENT === 1 ? 8 : 16 })];
  }
  if (data instanceof Uint8Array) return [encodeBmp(data, shape)];
  throw new CaseError(path, 'a label is above 254, which a BMP has no number for', 'Take a data set of .png images');
}

function every(data: Numbers, first: number, step: number, length: number): Numbers {
  return Float64Array.from({ length }, (_, i) => Number(data[first + i * step]));
}

/** Of colours, whether they are the last axis; scikit-image puts them there if they are the first one. */
function isLast(shape: readonly number[]): boolean {
  return shape.length === 3 && COLOURS.includes(shape[2]);
}

function headOf(path: string, { shape: stored, voxelBytes, offset, fileBytes }: RasterHead): VolumeHead {
  const colours = stored.length === 3 ? (isLast(stored) ? stored[2] : stored[0]) : 1;
  if (stored.length !== 2 && (stored.length !== 3 || !COLOURS.includes(colours)))
    throw new CaseError(
      path,
      `it is an array ${show(stored)}, nnU-Net's NaturalImage2DIO takes a 2D image with one, three or four numbers a pixel`,
      'Convert it, or name the reader of stacks in dataset.json: "overwrite_image_reader_writer": "Tiff3DIO"',
    );
  const [height, width] = stored.length === 2 || isLast(stored) ? stored : stored.slice(1);
  const [depth, y, x] = SPACING;
  const affine = [
    [x, 0, 0, 0],
    [0, y, 0, 0],
    [0, 0, depth, 0],
    [0, 0, 0, 1],
  ];
  return { shape: [1, height, width], spacing: [...SPACING], affine, channels: colours, voxelBytes, offset, fileBytes };
}
