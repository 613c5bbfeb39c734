import { CaseError } from '../common/errors.ts';
import { showVoxel, type Triple, transpose, triple } from '../common/geometry.ts';
import type { LabelNumbers } from '../formats/values.ts';
import type { Volume, VolumeHead } from '../formats/volume.ts';
import { isNifti, readFileHead, readFileLabels, readFileVolumes } from './file-formats.ts';
import { type NotedReading, READERS, type Reader } from './readers.ts';
import { isUnturned, letters, orientationOf, type Turn, toRas, turnAffine, turnVolume, UNTURNED } from './reorient.ts';

/** How a volume lay in its file, where its reader turned it. */
export interface FilePlace {
  shape: Triple;
  affine: number[][];
  /** Towards where its axes x, y and z run: "LPS". */
  orientation: string;
  /** From the file's array to the reader's. */
  turn: Turn;
}

/** A volume as a reader of nnU-Net hands it out. */
export interface ReadVolume<T extends LabelNumbers = Float32Array> {
  path: string;
  /** Array order [z, y, x]. */
  data: T;
  shape: Triple;
  spacing: Triple;
  affine: number[][];
  file: FilePlace;
  /** Nothing in the file says the spacing. */
  unplaced?: true;
}

/**
 * All volumes of a file, by the rules of the reader in force; what is odd about it goes to the notes.
 * @throws CaseError, FileError, MemoryError
 */
export async function readVolumes(path: string, reading: NotedReading): Promise<ReadVolume[]> {
  return byRules(path, await readFileVolumes(path, READERS[reading.reader].family), reading);
}

/** The same of the file that is the label of a case. */
export async function readLabelVolumes(path: string, reading: NotedReading): Promise<ReadVolume<LabelNumbers>[]> {
  return byRules(path, await readFileLabels(path, READERS[reading.reader].family), reading);
}

function byRules<T extends LabelNumbers>(path: string, volumes: readonly Volume<T>[], reading: NotedReading): ReadVolume<T>[] {
  if (READERS[reading.reader].reorients && volumes.length > 1)
    throw new CaseError(
      path,
      `it has four axes, and ${reading.reader} reads three`,
      'Split it into one file per channel (CASE_0000, CASE_0001, …)',
    );
  for (const volume of volumes) {
    checkNumbers(volume, reading);
    for (const odd of volume.odd) reading.notes.push(`${path}: ${odd}`);
  }
  return volumes.map((volume) => turned(volume, reading.reader));
}

/** Numbers that are none: 0 to SimpleITK, which is worth a note, and the end of every mean to nibabel. */
function checkNumbers({ path, shape, notFinite, tooLarge }: Volume<LabelNumbers>, { reader, strictVoxels, notes }: NotedReading): void {
  if (tooLarge.count > 0)
    throw new CaseError(
      path,
      `${tooLarge.count} voxels are too large for float32, in which nnU-Net computes, the first at ${showVoxel(tooLarge.first, shape)}`,
      'Scale the image down, or replace them',
    );
  if (notFinite.count === 0) return;
  const what = `${notFinite.count} voxels are NaN or infinite, the first at ${showVoxel(notFinite.first, shape)}`;
  // In other formats ITK leaves them as they are.
  const zero = READERS[reader].family === 'itk' && isNifti(path);
  if (zero && !strictVoxels) notes.push(`${path}: ${what}: read as 0, as ${reader} does`);
  else
    throw new CaseError(
      path,
      what,
      zero
        ? 'Replace them, or leave out --strict-voxels: SimpleITK reads them as 0'
        : `Replace them, for example by 0 or the background value${isNifti(path) ? ', or name a reader that takes them for 0: "overwrite_image_reader_writer": "SimpleITKIO"' : ''}`,
    );
}

function turned<T extends LabelNumbers>({ path, data, shape, ...rest }: Volume<T>, reader: Reader): ReadVolume<T> {
  const place = placed({ path, shape, ...rest }, reader);
  return { path, data: turnVolume(data, shape, place.file.turn), ...place, ...(rest.unplaced && { unplaced: true }) };
}

/** What the header of a file says, as its reader hands it out. @throws CaseError, FileError */
export async function readVolumeHead(path: string, reader: Reader, isLabel = false): Promise<VolumeHead & Placed> {
  const head = await readFileHead(path, READERS[reader].family, isLabel);
  return { ...head, ...placed({ path, ...head }, reader) };
}

type Placed = Pick<ReadVolume, 'shape' | 'spacing' | 'affine' | 'file'>;

function placed({ path, shape, spacing, affine }: Omit<Placed, 'file'> & { path: string }, reader: Reader): Placed {
  const orientation = orientationOf(affine, reader);
  const file: FilePlace = { shape, affine, orientation: orientation === null ? '' : letters(orientation), turn: UNTURNED };
  const { family, reorients } = READERS[reader];
  if (!reorients) return { shape, spacing, affine, file };
  if (orientation === null)
    throw new CaseError(path, `its header does not say how it lies, which ${reader} must know`, 'Correct its sform or qform');
  const turn = toRas(orientation);
  const moved = turnAffine(affine, shape, turn);
  // nibabel makes the header of what it turns anew, from the matrix.
  const anew = family === 'nibabel' && !isUnturned(turn);
  return {
    shape: transpose(shape, turn.from),
    spacing: anew
      ? triple((axis) => Math.fround(Math.hypot(...[0, 1, 2].map((row) => moved[row][2 - axis]))))
      : transpose(spacing, turn.from),
    affine: moved,
    file: { ...file, turn },
  };
}
