import { readFile } from 'node:fs/promises';
import { writeAtomic } from '../../common/atomic-file.ts';
import { CaseError } from '../../common/errors.ts';
import { ifThere } from '../../common/files.ts';
import { show, type Triple } from '../../common/geometry.ts';
import { narrowed } from '../label-voxels.ts';
import { AS_STORED, decodeValues } from '../values.ts';
import { asVolumes, checkSpacing, type Volume, type VolumeHead } from '../volume.ts';
import type { RasterHead } from './raster.ts';
import { readRaster, readRasterHead } from './read-raster.ts';
import { spacingPath } from './spacing-path.ts';
import { encodeTiff } from './tiff-writer.ts';

/** Reads the header of a stack as nnU-Net's Tiff3DIO does. @throws CaseError, FileError */
export async function readStackHead(path: string, isLabel: boolean): Promise<VolumeHead> {
  return headOf(path, await readRasterHead(path), await readSpacing(path, isLabel));
}

/**
 * Reads a stack of pages as nnU-Net's Tiff3DIO does.
 * @throws CaseError, FileError, MemoryError
 */
export async function readStackVolumes(path: string, isLabel: boolean): Promise<Volume[]> {
  const { head: stored, raster } = await readRaster(path);
  const spacing = await readSpacing(path, isLabel);
  // A label without one lies as its image does.
  const odd = spacing === null && !isLabel ? [`there is no ${spacingPath(path, isLabel)}: its spacing is taken for [1, 1, 1]`] : [];
  const [volume] = asVolumes(path, [decodeValues(raster.data, AS_STORED)], headOf(path, stored, spacing), odd);
  return [{ ...volume, ...(spacing === null && { unplaced: true }) }];
}

/** Writes labels as a stack, and the spacing of its image beside it. @throws CaseError, FileError */
export async function writeStackLabels(path: string, labels: Int16Array, image: string): Promise<void> {
  const { shape, spacing } = await readStackHead(image, false);
  await writeAtomic(path, encodeTiff(narrowed(labels), shape));
  await writeAtomic(spacingPath(path, true), [Buffer.from(`${JSON.stringify({ spacing })}\n`)]);
}

/** Array order; null where there is no file that says it. */
async function readSpacing(path: string, isLabel: boolean): Promise<Triple | null> {
  const beside = spacingPath(path, isLabel);
  const text = await ifThere(beside, readFile(beside, 'utf8'));
  if (text === null) return null;
  const action = 'It must hold {"spacing": [z, y, x]} in millimetres';
  let spacing: unknown;
  try {
    spacing = JSON.parse(text).spacing;
  } catch (error) {
    throw new CaseError(beside, 'it is not JSON', action, { cause: error });
  }
  if (!Array.isArray(spacing) || spacing.length !== 3 || !spacing.every((size) => typeof size === 'number'))
    throw new CaseError(beside, 'its "spacing" is not three numbers', action);
  checkSpacing(beside, spacing, action);
  return spacing as Triple;
}

function headOf(path: string, { shape, voxelBytes, offset, fileBytes }: RasterHead, spacing: Triple | null): VolumeHead {
  if (shape.length !== 3)
    throw new CaseError(
      path,
      `it is an array ${show(shape)}, nnU-Net's Tiff3DIO takes a stack of three axes`,
      'Write one page a slice, or name the reader of 2D images in dataset.json: "overwrite_image_reader_writer": "NaturalImage2DIO"',
    );
  const [depth, height, width] = spacing ?? [1, 1, 1];
  const affine = [
    [width, 0, 0, 0],
    [0, height, 0, 0],
    [0, 0, depth, 0],
    [0, 0, 0, 1],
  ];
  return { shape: [...shape] as Triple, spacing: [depth, height, width], affine, channels: 1, voxelBytes, offset, fileBytes };
}
