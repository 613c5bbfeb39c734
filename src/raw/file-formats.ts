import { CaseError } from '../common/errors.ts';
import { ITK_ENDINGS, NATURAL_ENDINGS, NIFTI_ENDINGS, STACK_ENDINGS } from '../formats/endings.ts';
import { decodeLabels, decodeValues, type LabelNumbers } from '../formats/values.ts';
import type { Volume, VolumeHead } from '../formats/volume.ts';

/** By whose rules files are read. */
export type Library = 'itk' | 'nibabel' | 'scikit-image' | 'tifffile';

interface Format {
  endings: readonly string[];
  head(path: string, isLabel: boolean): Promise<VolumeHead>;
  volumes(path: string, isLabel: boolean): Promise<Volume<LabelNumbers>[]>;
  write(path: string, labels: Int16Array, image: string): Promise<void>;
}

// What reads a format, and the packages that it needs, are loaded with its first file: a loader meets none, and most runs meet one.

const nifti = (dialect: 'itk' | 'nibabel'): Format => ({
  endings: NIFTI_ENDINGS,
  head: async (path) => (await import('../formats/nifti-head.ts')).readNiftiHead(path, dialect),
  volumes: async (path, isLabel) =>
    (await import('../formats/nifti.ts')).readNiftiVolumes<LabelNumbers>(path, dialect, isLabel ? decodeLabels : decodeValues),
  write: async (...what) => (await import('../formats/nifti-writer.ts')).writeLabels(...what),
});

const itk: Format = {
  endings: ITK_ENDINGS,
  head: async (path) => (await import('../formats/itk/image.ts')).readItkHead(path),
  volumes: async (path, isLabel) =>
    (await import('../formats/itk/image.ts')).readItkVolumes<LabelNumbers>(path, isLabel ? decodeLabels : decodeValues),
  write: async (...what) => (await import('../formats/itk/image.ts')).writeItkLabels(...what),
};

const natural: Format = {
  endings: NATURAL_ENDINGS,
  head: async (path) => (await import('../formats/raster/natural-image.ts')).readNaturalHead(path),
  volumes: async (path) => (await import('../formats/raster/natural-image.ts')).readNaturalVolumes(path),
  write: async (...what) => (await import('../formats/raster/natural-image.ts')).writeNaturalLabels(...what),
};

const stack: Format = {
  endings: STACK_ENDINGS,
  head: async (...what) => (await import('../formats/raster/tiff-stack.ts')).readStackHead(...what),
  volumes: async (...what) => (await import('../formats/raster/tiff-stack.ts')).readStackVolumes(...what),
  write: async (...what) => (await import('../formats/raster/tiff-stack.ts')).writeStackLabels(...what),
};

/** What each library reads here; it may read more by itself. */
const FORMATS: Record<Library, Format[]> = {
  itk: [nifti('itk'), itk],
  nibabel: [nifti('nibabel')],
  'scikit-image': [natural],
  tifffile: [stack],
};

/** The endings of the files that a library reads here. */
export function endingsOf(library: Library): string[] {
  return FORMATS[library].flatMap(({ endings }) => endings);
}

export function isNifti(path: string): boolean {
  return NIFTI_ENDINGS.some((ending) => path.toLowerCase().endsWith(ending));
}

/** What the header of a file says. @throws CaseError, FileError */
export function readFileHead(path: string, library: Library, isLabel: boolean): Promise<VolumeHead> {
  return formatOf(path, library).head(path, isLabel);
}

/** All volumes of a file as they lie there. @throws as `readFileHead` does, MemoryError */
export function readFileVolumes(path: string, library: Library): Promise<Volume[]> {
  return formatOf(path, library).volumes(path, false) as Promise<Volume[]>;
}

/** The same of a file of labels. */
export function readFileLabels(path: string, library: Library): Promise<Volume<LabelNumbers>[]> {
  return formatOf(path, library).volumes(path, true);
}

/**
 * Writes labels as a file of the kind of their image, lying where it lies.
 * @param labels [z, y, x] of the image as it is in its file
 * @throws CaseError for what its format cannot hold, FileError
 */
export function writeFileLabels(path: string, labels: Int16Array, { image, library }: { image: string; library: Library }): Promise<void> {
  return formatOf(path, library).write(path, labels, image);
}

function formatOf(path: string, library: Library): Format {
  const found = FORMATS[library].find(({ endings }) => endings.some((ending) => path.toLowerCase().endsWith(ending)));
  if (found) return found;
  throw new CaseError(
    path,
    `its name does not end in ${endingsOf(library).join(', ')}, which are read by the rules of ${library}`,
    'Convert it, or name another reader in dataset.json: "overwrite_image_reader_writer"',
  );
}
