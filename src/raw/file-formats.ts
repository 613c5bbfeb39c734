import { CaseError } from '../common/errors.ts';
import { ITK_ENDINGS, readItkHead, readItkVolumes } from '../formats/itk/image.ts';
import { readNiftiVolumes } from '../formats/nifti.ts';
import { readNiftiHead } from '../formats/nifti-head.ts';
import { NATURAL_ENDINGS, readNaturalHead, readNaturalVolumes } from '../formats/raster/natural-image.ts';
import { readStackHead, readStackVolumes, STACK_ENDINGS } from '../formats/raster/tiff-stack.ts';
import type { Volume, VolumeHead } from '../formats/volume.ts';

/** By whose rules files are read. */
export type Library = 'itk' | 'nibabel' | 'scikit-image' | 'tifffile';

interface Format {
  endings: readonly string[];
  head(path: string, isLabel: boolean): Promise<VolumeHead>;
  volumes(path: string, isLabel: boolean): Promise<Volume[]>;
}

const NIFTI_ENDINGS = ['.nii.gz', '.nii'];

const nifti = (dialect: 'itk' | 'nibabel'): Format => ({
  endings: NIFTI_ENDINGS,
  head: (path) => readNiftiHead(path, dialect),
  volumes: (path) => readNiftiVolumes(path, dialect),
});

/** What each library reads here; it may read more by itself. */
const FORMATS: Record<Library, Format[]> = {
  itk: [nifti('itk'), { endings: ITK_ENDINGS, head: readItkHead, volumes: readItkVolumes }],
  nibabel: [nifti('nibabel')],
  'scikit-image': [{ endings: NATURAL_ENDINGS, head: readNaturalHead, volumes: readNaturalVolumes }],
  tifffile: [{ endings: STACK_ENDINGS, head: readStackHead, volumes: readStackVolumes }],
};

/** The endings of the files that a library reads here. */
export function endingsOf(library: Library): string[] {
  return FORMATS[library].flatMap(({ endings }) => endings);
}

export function isNifti(path: string): boolean {
  return NIFTI_ENDINGS.some((ending) => path.toLowerCase().endsWith(ending));
}

/** What the header of a file says. @throws CaseError, FileError, DatasetError for a package that is not installed */
export function readFileHead(path: string, library: Library, isLabel: boolean): Promise<VolumeHead> {
  return formatOf(path, library).head(path, isLabel);
}

/** All volumes of a file as they lie there. @throws as `readFileHead` does, MemoryError */
export function readFileVolumes(path: string, library: Library, isLabel: boolean): Promise<Volume[]> {
  return formatOf(path, library).volumes(path, isLabel);
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
