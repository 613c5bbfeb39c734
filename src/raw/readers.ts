import type { Dialect } from '../formats/nifti-affine.ts';
import { readNiftiHead } from '../formats/nifti-head.ts';

/** nnU-Net's classes whose images are read here as they read them. */
export const READERS = {
  SimpleITKIO: { dialect: 'itk', reorients: false },
  SimpleITKIOWithReorient: { dialect: 'itk', reorients: true },
  NibabelIO: { dialect: 'nibabel', reorients: false },
  NibabelIOWithReorient: { dialect: 'nibabel', reorients: true },
} as const satisfies Record<string, { dialect: Dialect; reorients: boolean }>;

export type Reader = keyof typeof READERS;

/** Others that nnU-Net has: nothing else may stand in for them. */
const NOT_HERE = ['NaturalImage2DIO', 'Tiff3DIO', 'BaseReaderWriter'];

/** The endings that are read here, and nnU-Net's classes for them in the order in which it tries them. */
export const ENDINGS: Record<string, readonly Reader[]> = {
  '.nii.gz': ['SimpleITKIO', 'NibabelIO', 'NibabelIOWithReorient'],
  '.nii': ['NibabelIO', 'NibabelIOWithReorient'],
};

/** How the files of a data set are read. Plain data. */
export interface Reading {
  reader: Reader;
  /** Of a case, over all of its images. */
  channels: number;
  /** Refuse a case whose files differ in origin or direction. */
  strictGeometry?: boolean | undefined;
  /** Refuse voxels that are NaN or infinite where the reader takes them for 0. */
  strictVoxels?: boolean | undefined;
}

/** The same while files are read. */
export interface NotedReading extends Reading {
  /** What is odd but usable is put here, for the user to read: FILE: what. */
  notes: string[];
}

export const READER_NAMES = Object.keys(READERS) as Reader[];

export function isReader(name: unknown): name is Reader {
  return READER_NAMES.includes(name as Reader);
}

/** Of a reader that nnU-Net has and voxfeed has not. */
export function isMissing(name: unknown): boolean {
  return NOT_HERE.includes(name as string);
}

/** The first class for the ending that reads a file, as nnU-Net finds one where none is named; its first one where none can. */
export async function findReader(ending: string, example: string): Promise<Reader> {
  for (const reader of ENDINGS[ending]) {
    const head = await readNiftiHead(example, READERS[reader].dialect).catch(() => null);
    if (head !== null) return reader;
  }
  return ENDINGS[ending][0];
}
