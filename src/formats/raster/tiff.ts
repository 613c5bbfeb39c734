import { type FileHandle, open } from 'node:fs/promises';
import { CaseError } from '../../common/errors.ts';
import { voxels } from '../../common/geometry.ts';
import { MOST_AT_ONCE, type NumbersConstructor, swapBytes } from '../volume.ts';
import type { Raster, RasterHead } from './raster.ts';
import { COMPRESSIONS, undoPredictor } from './tiff-blocks.ts';
import { readTiffDirectory, type TiffDirectory, type TiffPage } from './tiff-directory.ts';

/** By the format and the bits of numbers. */
const TYPES: Record<string, NumbersConstructor> = {
  ...{ '1,8': Uint8Array, '1,16': Uint16Array, '1,32': Uint32Array, '1,64': BigUint64Array },
  ...{ '2,8': Int8Array, '2,16': Int16Array, '2,32': Int32Array, '2,64': BigInt64Array },
  ...{ '3,32': Float32Array, '3,64': Float64Array },
};
/** No packing makes more of a byte than this but of voxels that are all the same. */
const MOST_UNPACKED = 2 ** 17;
const REWRITE = 'Write it with 8 to 64 bits, and without compression or with deflate, LZW, PackBits or zstd';

export function isTiff(path: string): boolean {
  return /\.tiff?$/i.test(path);
}

/** Reads the directories of a TIFF. @throws CaseError, errors of the system */
export async function readTiffHead(path: string): Promise<RasterHead> {
  await using file = await open(path, 'r');
  return headOf(path, await readTiffDirectory(path, file));
}

function headOf(path: string, { pages, fileBytes }: TiffDirectory): RasterHead {
  const [first] = pages;
  const { compression, bits } = first;
  for (const page of pages) checkKind(path, page);
  const shape = shapeOf(path, pages);
  const { most } = COMPRESSIONS[compression];
  return {
    shape,
    voxelBytes: (voxels(shape) * bits) / 8,
    offset: 0,
    fileBytes,
    compressed: most === 1 ? false : most === null ? null : true,
  };
}

/**
 * As `tifffile.imread` has it: numbers as they are stored, whatever colours they mean; the pages that are like the first, one after the
 * other.
 * @throws CaseError, errors of the system
 */
export async function readTiff(path: string): Promise<Raster> {
  await using file = await open(path, 'r');
  const directory = await readTiffDirectory(path, file);
  const { shape } = headOf(path, directory);
  const [{ format, bits }] = directory.pages;
  const Type = TYPES[`${format},${bits}`];
  const bytes = new Uint8Array((voxels(shape) * bits) / 8);
  const pageBytes = bytes.length / directory.pages.length;
  for (const [i, page] of directory.pages.entries())
    await readPage(path, file, { page, ...directory }, bytes.subarray(i * pageBytes, (i + 1) * pageBytes));
  return { shape, data: new Type(bytes.buffer) };
}

/** Block by block, each of which holds whole pixels, or one kind of their numbers. */
async function readPage(
  path: string,
  file: FileHandle,
  { page, littleEndian, fileBytes }: { page: TiffPage } & TiffDirectory,
  into: Uint8Array,
): Promise<void> {
  const { width, height, samples, planar, bits, compression, tiled, blockWidth, blockHeight, starts, lengths } = page;
  const fail = (what: string, cause?: unknown): never => {
    throw new CaseError(path, `it is cut off or damaged: ${what}`, 'Copy the file again from its source', { cause });
  };
  const size = bits / 8;
  const [planes, together] = planar ? [samples, 1] : [1, samples];
  const across = Math.ceil(width / blockWidth);
  const down = Math.ceil(height / blockHeight);
  if (!(planes * across * down <= Math.min(starts.length, lengths.length))) fail('there are fewer blocks than its sizes ask for');
  for (let block = 0; block < planes * across * down; block++) {
    const [plane, y, x] = [Math.floor(block / (across * down)), Math.floor(block / across) % down, block % across];
    const rows = tiled ? blockHeight : Math.min(blockHeight, height - y * blockHeight);
    const row = blockWidth * together;
    const expected = rows * row * size;
    if (starts[block] + lengths[block] > fileBytes) fail(`block ${block} ends at byte ${starts[block] + lengths[block]} of ${fileBytes}`);
    if (Math.max(expected, lengths[block]) > MOST_AT_ONCE) fail(`block ${block} takes more than 1 GiB`);
    const { most } = COMPRESSIONS[compression];
    if (expected > (most ?? MOST_UNPACKED) * lengths[block]) fail(`block ${block} holds fewer than the ${expected} bytes of its sizes`);
    const packed = Buffer.alloc(lengths[block]);
    const { bytesRead } = await file.read(packed, 0, packed.length, starts[block]);
    let found: Uint8Array;
    try {
      found = COMPRESSIONS[compression].unpack(packed.subarray(0, bytesRead), expected);
    } catch (error) {
      return fail((error as Error).message, error);
    }
    if (found.length < expected) fail(`a block holds ${found.length} bytes of ${expected}`);
    // A copy: its numbers are aligned.
    const numbers = Buffer.from(Uint8Array.prototype.slice.call(found, 0, expected).buffer);
    if (!littleEndian && page.predictor !== 3) swapBytes(numbers, size);
    undoPredictor(numbers, page, row);
    const kept = Math.min(blockWidth, width - x * blockWidth) * together * size;
    for (let line = 0; line < Math.min(rows, height - y * blockHeight); line++)
      into.set(
        numbers.subarray(line * row * size, line * row * size + kept),
        ((plane * height + y * blockHeight + line) * width + x * blockWidth) * together * size,
      );
  }
}

/** @throws CaseError for what is not read here, before there is room for it */
function checkKind(path: string, { bits, format, compression, predictor, width, height, lengths, starts }: TiffPage): void {
  const refuse = (what: string): never => {
    throw new CaseError(path, what, REWRITE);
  };
  if (TYPES[`${format},${bits}`] === undefined) refuse(`it has ${bits} bits a number, of format ${format}`);
  if (COMPRESSIONS[compression] === undefined) refuse(`its compression ${compression} is not known here`);
  if (predictor !== 1 && !(predictor === 2 && bits <= 32) && !(predictor === 3 && format === 3))
    refuse(`its predictor ${predictor} for ${bits} bits is not known here`);
  if (width < 1 || height < 1 || starts.length === 0 || lengths.length === 0) refuse('it has no voxels');
}

/** As tifffile finds it: its own note of a shape, ImageJ's and OME's of how many images there are, else the pages. */
function shapeOf(path: string, pages: readonly TiffPage[]): number[] {
  const [{ width, height, samples, planar, note }] = pages;
  const page = samples === 1 ? [height, width] : planar ? [samples, height, width] : [height, width, samples];
  const found = pages.length === 1 ? page : [pages.length, ...page];
  const missing = (count: number): never => {
    throw new CaseError(
      path,
      `its note speaks of ${count} images, it has ${pages.length} pages`,
      'Write one page a slice, for example with tifffile.imwrite',
    );
  };
  const images = Number(/^ImageJ=[\s\S]*^images=(\d+)/m.exec(note)?.[1] ?? 1);
  if (images > pages.length) missing(images);
  const shaped = /^\{.*"shape": (\[\d+(?:, \d+)*\])/.exec(note)?.[1];
  if (shaped !== undefined) {
    const shape: number[] = JSON.parse(shaped);
    if (voxels(shape) === voxels(found)) return shape;
    if (voxels(shape) > voxels(found)) missing(Math.round(voxels(shape) / voxels(page)));
  }
  const counts = /^ImageJ=/.test(note)
    ? ['frames', 'slices', 'channels'].map((name) => new RegExp(`^${name}=(\\d+)`, 'm').exec(note)?.[1])
    : ['T', 'Z', 'C'].map((name) => new RegExp(`<OME[\\s\\S]*\\bSize${name}="(\\d+)"`).exec(note)?.[1]);
  const several = counts.map((count) => Number(count ?? 1)).filter((count) => count > 1);
  return several.length > 1 && voxels(several) === pages.length ? [...several, ...page] : found;
}
