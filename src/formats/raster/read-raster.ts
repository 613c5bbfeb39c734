import { type FileHandle, open } from 'node:fs/promises';
import { CaseError, fileError } from '../../common/errors.ts';
import { show, voxels } from '../../common/geometry.ts';
import { checkMemory, checkSize, readBytes, type VolumeHead } from '../volume.ts';
import { decodeBmp, parseBmp } from './bmp.ts';
import { decodePng, parsePng } from './png.ts';
import type { Raster, RasterHead } from './raster.ts';
import { isTiff, readTiff, readTiffHead } from './tiff.ts';

/** What is read of a file to know its header. */
const HEAD_BYTES = 64 * 1024;

/** Reads the header of a .png, .bmp, .tif or .tiff file. @throws CaseError, FileError */
export async function readRasterHead(path: string): Promise<RasterHead> {
  try {
    if (isTiff(path)) return checked(path, await readTiffHead(path));
    await using file = await open(path, 'r');
    return await headOf(path, file);
  } catch (error) {
    throw fileError(path, error);
  }
}

/**
 * Reads a .png, .bmp, .tif or .tiff file as `skimage.io.imread` and `tifffile.imread` do.
 * @throws CaseError for contents that cannot be used, FileError for a file that cannot be read, MemoryError
 */
export async function readRaster(path: string): Promise<{ head: RasterHead; raster: Raster }> {
  try {
    if (isTiff(path)) {
      const head = checked(path, await readTiffHead(path));
      return { head, raster: await readTiff(path) };
    }
    await using file = await open(path, 'r');
    const head = await headOf(path, file);
    const bytes = await readBytes(file, head.fileBytes);
    return { head, raster: isPng(path) ? decodePng(path, bytes) : decodeBmp(path, bytes) };
  } catch (error) {
    throw fileError(path, error);
  }
}

async function headOf(path: string, file: FileHandle): Promise<RasterHead> {
  const { size } = await file.stat();
  const start = await readBytes(file, Math.min(size, HEAD_BYTES));
  return checked(path, isPng(path) ? parsePng(path, start, size) : parseBmp(path, start, size));
}

/** Of what no file is so short for, and no memory is so large. */
function checked(path: string, head: RasterHead): RasterHead {
  const { shape, compressed } = head;
  if (shape.some((size) => !Number.isSafeInteger(size) || size < 1))
    throw new CaseError(path, `its header makes no image: its sizes are ${show(shape)}`, 'Write it again');
  const volume: VolumeHead = { ...head, shape: [1, 1, voxels(shape)], spacing: [1, 1, 1], affine: [], channels: 1 };
  if (compressed !== null) checkSize(path, volume, compressed);
  checkMemory(path, volume, compressed !== false);
  return head;
}

function isPng(path: string): boolean {
  return path.toLowerCase().endsWith('.png');
}
