import { stat } from 'node:fs/promises';
import type { GeoTIFF, GeoTIFFImage } from 'geotiff';
import { CaseError, DatasetError } from '../../common/errors.ts';
import { voxels } from '../../common/geometry.ts';
import type { Numbers } from '../values.ts';
import type { Raster, RasterHead } from './raster.ts';

const INSTALL = 'Install it beside voxfeed: npm install geotiff';
/** A tag of the SGI extension: pages that are volumes. */
const IMAGE_DEPTH = 32997;
const NONE = 1;
/** Of which `checkSize` knows how far they go. */
const DEFLATE = [8, 32946];
const LZW = 5;
const PACK_BITS = 32773;
const ZSTD = 50000;
/** Those without loss that the package reads. */
const COMPRESSIONS = [NONE, LZW, PACK_BITS, ZSTD, ...DEFLATE];
/** Pages lie in a chain, which a damaged file may close to a ring. */
const MOST_PAGES = 65_536;

export function isTiff(path: string): boolean {
  return /\.tiff?$/i.test(path);
}

/** Reads the headers of a TIFF's pages. @throws CaseError */
export async function readTiffHead(path: string): Promise<RasterHead> {
  return withPages(path, async ({ pages, shape, fileBytes }) => {
    const [first] = pages;
    const compression = first.fileDirectory.getValue('Compression') ?? NONE;
    return {
      shape,
      voxelBytes: (voxels(shape) * first.getBitsPerSample()) / 8,
      offset: 0,
      fileBytes,
      compressed: compression === NONE ? false : DEFLATE.includes(compression) ? true : null,
    };
  });
}

/**
 * As `tifffile.imread` has it: numbers as they are stored, whatever colours they mean; the pages that are like the first, one after the
 * other.
 * @throws CaseError
 */
export async function readTiff(path: string): Promise<Raster> {
  return withPages(path, async ({ pages, shape }) => {
    let data: (Numbers & { set(values: ArrayLike<number>, at: number): void }) | null = null;
    for (const [i, page] of pages.entries()) {
      const bands = isPlanar(page) ? await page.readRasters() : [await page.readRasters({ interleave: true })];
      for (const [j, band] of (bands as ArrayLike<number>[]).entries()) {
        const Type = band.constructor as new (length: number) => NonNullable<typeof data>;
        data ??= new Type(voxels(shape));
        data.set(band, (i * bands.length + j) * band.length);
      }
    }
    return { shape, data: data as unknown as Numbers };
  });
}

interface Pages {
  pages: GeoTIFFImage[];
  shape: number[];
  fileBytes: number;
}

async function withPages<T>(path: string, use: (pages: Pages) => Promise<T>): Promise<T> {
  const { fromFile } = await loadGeotiff();
  const { size: fileBytes } = await stat(path);
  let tiff: GeoTIFF | null = null;
  try {
    tiff = await fromFile(path);
    const pages = await pagesOf(path, tiff);
    return await use({ pages, shape: await shapeOf(path, pages), fileBytes });
  } catch (error) {
    if (error instanceof CaseError) throw error;
    throw new CaseError(
      path,
      `it is no TIFF image that can be read: ${(error as Error).message}`,
      'Write it again, for example with tifffile',
      {
        cause: error,
      },
    );
  } finally {
    tiff?.close();
  }
}

/** It is 5 MB large, and few data sets need it. @throws DatasetError if it is not installed */
export async function loadGeotiff(): Promise<typeof import('geotiff')> {
  try {
    return await import('geotiff');
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
    throw new DatasetError(
      'geotiff',
      missing ? 'TIFF images are read by this package, which is not installed' : `it cannot be loaded: ${(error as Error).message}`,
      INSTALL,
      { cause: error },
    );
  }
}

/** Those that are like the first one: others are previews. */
async function pagesOf(path: string, tiff: GeoTIFF): Promise<GeoTIFFImage[]> {
  const pages = [await tiff.getImage(0)];
  const kind = kindOf(pages[0]);
  await checkLayout(path, pages[0]);
  for (let i = 1; ; i++) {
    const page = await tiff.getImage(i).catch((error: Error) => {
      if (error.constructor.name === 'GeoTIFFImageIndexError') return null;
      throw error;
    });
    if (page === null) return pages;
    if (i >= MOST_PAGES) throw new CaseError(path, `it has more than ${MOST_PAGES} pages`, 'Check the file: its pages may form a ring');
    if (kindOf(page) === kind) pages.push(page);
  }
}

/** Refuses what the package would read as other numbers, or not at all. */
async function checkLayout(path: string, page: GeoTIFFImage): Promise<void> {
  const { fileDirectory, littleEndian } = page;
  const refuse = (what: string, action: string): never => {
    throw new CaseError(path, what, action);
  };
  const compression = fileDirectory.getValue('Compression') ?? NONE;
  if (fileDirectory.hasTag(IMAGE_DEPTH)) refuse('its pages have a depth', 'Write one page a slice');
  if (!fileDirectory.hasTag('BitsPerSample')) refuse('it has 1 bit a pixel', 'Write it with 8 bits');
  if (!COMPRESSIONS.includes(compression))
    refuse(`its compression ${compression} is not known here`, 'Write it without, or with deflate, LZW, PackBits or zstd');
  const predictor = fileDirectory.hasTag('Predictor') ? await fileDirectory.loadValue('Predictor') : NONE;
  if (!littleEndian && page.getBitsPerSample() > 8 && predictor !== NONE)
    refuse('it is big endian and has a predictor, which are not read together here', 'Write it little endian, or without a predictor');
}

const kindOf = (page: GeoTIFFImage): string =>
  [page.getWidth(), page.getHeight(), page.getSamplesPerPixel(), page.getBitsPerSample(), page.getSampleFormat()].join();

const isPlanar = (page: GeoTIFFImage): boolean => page.getSamplesPerPixel() > 1 && page.planarConfiguration === 2;

/** As tifffile finds it: its own note of a shape, ImageJ's of how many images there are, else the pages. */
async function shapeOf(path: string, pages: readonly GeoTIFFImage[]): Promise<number[]> {
  const [first] = pages;
  const [height, width, samples] = [first.getHeight(), first.getWidth(), first.getSamplesPerPixel()];
  const page = samples === 1 ? [height, width] : isPlanar(first) ? [samples, height, width] : [height, width, samples];
  const found = pages.length === 1 ? page : [pages.length, ...page];
  const note = String((first.fileDirectory.hasTag('ImageDescription') && (await first.fileDirectory.loadValue('ImageDescription'))) || '');
  const missing = (count: number): never => {
    throw new CaseError(
      path,
      `its note speaks of ${count} images, it has ${pages.length} pages`,
      'Write one page a slice, for example with tifffile.imwrite',
    );
  };
  const images = Number(/^ImageJ=[\s\S]*^images=(\d+)/m.exec(note)?.[1] ?? 1);
  if (images > pages.length) missing(images);
  const shaped = /^\{.*"shape": (\[[\d, ]+\])/.exec(note)?.[1];
  if (shaped !== undefined) {
    const shape: number[] = JSON.parse(shaped);
    if (voxels(shape) === voxels(found)) return shape;
    if (voxels(shape) > voxels(found)) missing(Math.round(voxels(shape) / voxels(page)));
  }
  const counts = /^ImageJ=/.test(note)
    ? ['frames', 'slices', 'channels'].map((name) => new RegExp(`^${name}=(\\d+)`, 'm').exec(note)?.[1])
    : ['T', 'Z', 'C'].map((name) => new RegExp(`<OME[\\s\\S]*\\bSize${name}="(\\d+)"`).exec(note)?.[1]);
  const several = counts.map((count) => Number(count ?? 1)).filter((count) => count > 1);
  if (several.length > 1 && voxels(several) === pages.length) return [...several, ...page];
  return found;
}
