import { CaseError } from '../../common/errors.ts';
import { show, type Triple, voxels } from '../../common/geometry.ts';
import { checkAffine, checkSpacing, FLAT_SPACING, type NumbersConstructor, type VolumeHead } from '../volume.ts';

/** What the header of a file says that ITK reads, in ITK's order: x first; to the left, back and up is positive. */
export interface ItkHeader {
  /** Two to four: channels are the fourth. */
  sizes: number[];
  /** One number each axis. */
  spacing: number[];
  origin: number[];
  /** One vector each axis, of length 1. */
  directions: number[][];
  Type: NumbersConstructor;
  littleEndian: boolean;
  /** Where its voxels begin, and how they lie there: as they are, as a gzip or zlib stream, or as numbers in words. */
  offset: number;
  encoding: 'raw' | 'deflate' | 'text';
}

/** ITK's world seen from the other side, as NIfTI does. */
const TO_RAS = [-1, -1, 1];

export const REWRITE = 'Write it again with ITK, for example SimpleITK.WriteImage';

/** What a header comes to in array order. @throws CaseError where it makes no image */
export function headOf(path: string, { sizes, spacing, origin, directions, Type, offset }: ItkHeader, fileBytes: number): VolumeHead {
  const axes = sizes.length;
  if (axes < 2 || axes > 4 || sizes.some((size) => !Number.isSafeInteger(size) || size < 1))
    throw new CaseError(path, `the header's sizes ${show(sizes)} make no image of two to four axes`, REWRITE);
  checkSpacing(path, spacing.slice(0, 3), 'Correct the spacing in its header');
  const [width, height, depth = 1, channels = 1] = sizes;
  const flat = axes === 2;
  const [x, y, z = FLAT_SPACING * Math.max(spacing[0], spacing[1])] = spacing;
  const shape: Triple = [depth, height, width];
  const column = (axis: number, row: number): number =>
    flat && (axis === 2 || row === 2) ? Number(axis === row) : (directions[axis][row] ?? 0);
  const steps = [x, y, flat ? 1 : z];
  const affine = TO_RAS.map((sign, row) => [
    ...steps.map((step, axis) => 0 + sign * column(axis, row) * step),
    0 + sign * (origin[row] ?? 0),
  ]);
  checkAffine(path, affine);
  return {
    shape,
    spacing: [z, y, x],
    affine: [...affine, [0, 0, 0, 1]],
    channels,
    voxelBytes: channels * voxels(shape) * Type.BYTES_PER_ELEMENT,
    offset,
    fileBytes,
  };
}

/** Of an image with several numbers a voxel. */
export function severalNumbers(path: string, count: number): CaseError {
  return new CaseError(
    path,
    `it has ${count} numbers a voxel, nnU-Net's readers take one`,
    'Split it into one file per channel (CASE_0000, CASE_0001, …)',
  );
}

/** The numbers of a line: "1 2 3". */
export function numbersIn(text: string): number[] {
  return text.trim().split(/\s+/).map(Number);
}
