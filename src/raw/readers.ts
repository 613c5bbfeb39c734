import { endingsOf, type Library, readFileHead } from './file-formats.ts';

/** nnU-Net's classes whose images are read here as they read them, and the library by whose rules they do. */
export const READERS = {
  SimpleITKIO: { family: 'itk', reorients: false },
  SimpleITKIOWithReorient: { family: 'itk', reorients: true },
  NibabelIO: { family: 'nibabel', reorients: false },
  NibabelIOWithReorient: { family: 'nibabel', reorients: true },
  NaturalImage2DIO: { family: 'scikit-image', reorients: false },
  Tiff3DIO: { family: 'tifffile', reorients: false },
} as const satisfies Record<string, { family: Library; reorients: boolean }>;

export type Reader = keyof typeof READERS;

/** The endings that are read here, and nnU-Net's classes for them in the order in which it tries them. */
const ENDINGS: Record<string, readonly Reader[]> = {
  '.nii.gz': ['SimpleITKIO', 'NibabelIO', 'NibabelIOWithReorient'],
  '.nii': ['NibabelIO', 'NibabelIOWithReorient'],
  '.nrrd': ['SimpleITKIO'],
  '.mha': ['SimpleITKIO'],
  '.gipl': ['SimpleITKIO'],
  '.png': ['NaturalImage2DIO'],
  '.bmp': ['NaturalImage2DIO'],
  '.tif': ['NaturalImage2DIO', 'Tiff3DIO'],
  '.tiff': ['Tiff3DIO'],
};

export const KNOWN_ENDINGS = Object.keys(ENDINGS);

/** nnU-Net's classes for an ending, however it is spelt; none for another one. */
export function readersFor(ending: string): readonly Reader[] {
  return ENDINGS[ending.toLowerCase()] ?? [];
}

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

/** Of nnU-Net's base class, which reads nothing: nothing else may stand in for it. */
export function isMissing(name: unknown): boolean {
  return name === 'BaseReaderWriter';
}

/** Whether files of an ending are read here by the rules of a reader. */
export function reads(reader: Reader, ending: string): boolean {
  return endingsOf(READERS[reader].family).includes(ending.toLowerCase());
}

/** The first class for the ending that reads a file, as nnU-Net finds one where none is named; its first one where none can. */
export async function findReader(ending: string, example: string): Promise<Reader> {
  const readers = readersFor(ending);
  for (const reader of readers) if ((await channelsOf(example, reader)) !== null) return reader;
  return readers[0];
}

/** How many channels a file holds to a reader; null where it cannot read it. */
export async function channelsOf(path: string, reader: Reader): Promise<number | null> {
  try {
    return (await readFileHead(path, READERS[reader].family, false)).channels;
  } catch {
    return null;
  }
}
