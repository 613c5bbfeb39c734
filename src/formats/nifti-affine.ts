import type { NIFTI1, NIFTI2 } from 'nifti-reader-js';

/** Whose reading of a header counts. They differ in units, in which matrix they believe, in scaling, and in voxels that are no numbers. */
export type Dialect = 'itk' | 'nibabel';

type Header = NIFTI1 | NIFTI2;
/** 4×4, rows first. */
type Matrix = number[][];

/** "Coordinates from the scanner". */
const SCANNER = 1;
/** How far ITK lets directions be from right angles, and two matrices from one another (`itkNiftiImageIO.cxx`). */
const SIMILAR = 1e-4;
/** How far scales may be from the voxel sizes and still be the same, rounded: a part of them. */
const ROUNDED = 1e-5;
/** What is left for the quaternion's first part is rounding below this (`nifti_quatern_to_mat44`, `Nifti1Header.quaternion_threshold`). */
const HALF_TURN = { itk: 1e-7, nibabel: 3 * 2 ** -23 };
const METRE = 1;
const MICRON = 3;

/** Millimetres in a header's unit of length: nibabel takes numbers as they are. */
export function millimetres({ xyzt_units }: Header, dialect: Dialect): number {
  const unit = xyzt_units & 7;
  if (dialect === 'nibabel') return 1;
  return unit === METRE ? 1e3 : unit === MICRON ? 1e-3 : 1;
}

/**
 * The matrix from voxel index (x, y, z, 1) to millimetres, 4×4, rows first. nibabel: the sform, else the qform, else voxel sizes around
 * the middle, x to the left (`Nifti1Header.get_best_affine`). ITK: a direction of right angles, the sform's only where it has some and
 * comes from the scanner, or stands alone, or agrees with the qform; scales are always the voxel sizes
 * (`NiftiImageIO::SetImageIOOrientationFromNIfTI`).
 * @returns null where ITK finds no right angles
 */
export function affineOf(header: Header, dialect: Dialect): Matrix | null {
  const { qform_code, sform_code, affine } = header;
  const [, width, height, depth] = header.pixDims.map((size) => Math.abs(size) || 1);
  if (dialect === 'nibabel') {
    if (sform_code > 0) return affine.map((row) => [...row]);
    if (qform_code > 0) return qform(header, dialect);
    const middle = [1, 2, 3].map((axis) => (Math.max(1, header.dims[axis]) - 1) / 2);
    return matrix([
      [-width, 0, 0, width * middle[0]],
      [0, height, 0, -height * middle[1]],
      [0, 0, depth, -depth * middle[2]],
    ]);
  }
  const chosen = qform_code > 0 || sform_code > 0 ? itkForm(header) : matrix([[-width], [0, -height], [0, 0, depth]]);
  if (chosen === null) return null;
  const unit = millimetres(header, dialect);
  const lengths = scales(chosen);
  return matrix(
    chosen.slice(0, 3).map((row) => [
      ...[width, height, depth].map((size, axis) => {
        // What agrees but for rounding stays as it was written.
        const factor = Math.abs(size - lengths[axis]) <= ROUNDED * size ? 1 : size / lengths[axis];
        return row[axis] * factor * unit;
      }),
      row[3] * unit,
    ]),
  );
}

function itkForm(header: Header): Matrix | null {
  const { qform_code, sform_code, affine: sform } = header;
  const known = qform_code > 0 ? qform(header, 'itk') : null;
  if (sform_code > 0 && isRectangular(sform) && (known === null || sform_code === SCANNER || areSimilar(sform, known)))
    return sform.map((row) => [...row]);
  return known;
}

/** Lengths of the columns: how far it is from voxel to voxel. */
function scales(of: Matrix): number[] {
  return [0, 1, 2].map((column) => Math.hypot(...[0, 1, 2].map((row) => of[row][column])));
}

function isRectangular(sform: Matrix): boolean {
  const lengths = scales(sform);
  const directions = [0, 1, 2].map((row) => [0, 1, 2].map((column) => sform[row][column] / lengths[column]));
  return [0, 1, 2].every((i) =>
    [0, 1, 2].every((j) => {
      const product = directions[i].reduce((sum, value, column) => sum + value * directions[j][column], 0);
      return Math.abs(product - Number(i === j)) <= SIMILAR;
    }),
  );
}

function areSimilar(one: Matrix, other: Matrix): boolean {
  const [left, right] = [scales(one), scales(other)];
  return [0, 1, 2].every(
    (row) =>
      Math.abs(left[row] - right[row]) <= SIMILAR &&
      Math.abs(one[row][3] - other[row][3]) <= SIMILAR &&
      [0, 1, 2].every((column) => Math.abs(one[row][column] / left[column] - other[row][column] / right[column]) <= SIMILAR),
  );
}

/** The library leaves the qform of NIfTI-2 out, and lets rounding of a half turn end in NaN. */
function qform({ quatern_b, quatern_c, quatern_d, pixDims, qoffset_x, qoffset_y, qoffset_z }: Header, dialect: Dialect): Matrix {
  // Only b, c and d are stored: a follows from the length 1, which rounding may miss at half a turn.
  const squared = quatern_b ** 2 + quatern_c ** 2 + quatern_d ** 2;
  const halfTurn = 1 - squared < HALF_TURN[dialect];
  const length = Math.sqrt(squared);
  const [b, c, d] = [quatern_b, quatern_c, quatern_d].map((part) => (halfTurn ? part / length : part));
  const a = halfTurn ? 0 : Math.sqrt(1 - squared);
  const [, width, height, depth] = pixDims.map((size) => Math.abs(size) || 1);
  // pixdim[0] says whether the third axis runs the other way.
  const sizes = [width, height, pixDims[0] < 0 ? -depth : depth];
  const rotation = [
    [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
    [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
    [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
  ];
  const offsets = [qoffset_x, qoffset_y, qoffset_z];
  return matrix(rotation.map((row, i) => [...row.map((value, axis) => value * sizes[axis]), offsets[i]]));
}

/** Of its first three rows, in which zeros at the end may be left out. */
function matrix(rows: readonly (readonly number[])[]): Matrix {
  return [...rows.map((row) => [0, 1, 2, 3].map((column) => row[column] ?? 0)), [0, 0, 0, 1]];
}
