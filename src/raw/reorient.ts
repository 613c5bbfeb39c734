import { AXES, type Axis, type Triple, triple, voxels } from '../common/geometry.ts';
import type { LabelNumbers } from '../formats/values.ts';
import type { Reader } from './readers.ts';

/** 4×4 (or 3×3), rows first, from voxel index (x, y, z, 1) to millimetres, right, anterior and superior being positive. */
type Matrix = readonly (readonly number[])[];

/** Of each axis x, y, z of a file: along which axis of the world it runs (0 right, 1 anterior, 2 superior), and whether against it. */
export interface Orientation {
  axes: Triple;
  against: readonly [boolean, boolean, boolean];
}

const LETTERS = ['RL', 'AP', 'SI'];

/** Three letters for the axes x, y, z, towards which they run, as ITK writes them: "RAS". */
export function letters({ axes, against }: Orientation): string {
  return axes.map((axis, i) => LETTERS[axis][Number(against[i])]).join('');
}

/** How a file lies, by the rule of the reader's library; null where its matrix says too little (nibabel refuses such a file). */
export function orientationOf(affine: Matrix, reader: Reader): Orientation | null {
  const directions = unit(affine);
  return reader.startsWith('SimpleITK') ? byLargest(directions) : byColumns(directions);
}

/** ITK: the largest entry first, then the largest in what is left (`DICOMOrientation`); the last of several. */
function byLargest(directions: Matrix): Orientation {
  const entries = AXES.flatMap((row) => AXES.map((column) => ({ row, column, size: Math.abs(directions[row][column]) })));
  entries.sort((a, b) => a.size - b.size);
  const found = new Map<Axis, Axis>();
  for (const { row, column } of entries.reverse()) if (!found.has(column) && ![...found.values()].includes(row)) found.set(column, row);
  return along(directions, (column) => found.get(column) as Axis);
}

/** nibabel: the column with the largest entry first, in the nearest matrix of right angles (`orientations.io_orientation`). */
function byColumns(directions: Matrix): Orientation | null {
  const nearest = orthogonal(directions);
  if (nearest === null) return null;
  const size = (row: Axis, column: Axis): number => Math.abs(nearest[row][column]);
  const strongest = (column: Axis): number => Math.max(...AXES.map((row) => size(row, column)));
  const found = new Map<Axis, Axis>();
  for (const column of [...AXES].sort((a, b) => strongest(b) - strongest(a))) {
    const left = AXES.filter((row) => ![...found.values()].includes(row));
    found.set(
      column,
      left.reduce((best, row) => (size(row, column) > size(best, column) ? row : best)),
    );
  }
  return along(nearest, (column) => found.get(column) as Axis);
}

function along(directions: Matrix, axisOf: (column: Axis) => Axis): Orientation {
  const axes = triple(axisOf);
  const against = (column: Axis): boolean => directions[axes[column]][column] < 0;
  return { axes, against: [against(0), against(1), against(2)] };
}

function unit(affine: Matrix): number[][] {
  // As ITK computes it: at 45 degrees rounding decides.
  const lengths = AXES.map((column) => Math.sqrt(AXES.reduce<number>((sum, row) => sum + affine[row][column] ** 2, 0)) || 1);
  return AXES.map((row) => AXES.map((column) => affine[row][column] / lengths[column]));
}

/** The orthogonal part of a polar decomposition, by Newton's iteration: the mean of a matrix and its inverse, transposed. */
function orthogonal(matrix: Matrix): number[][] | null {
  let current = matrix.map((row) => [...row]);
  for (let step = 0; step < 100; step++) {
    const cofactors = AXES.map((i) =>
      AXES.map((j) => {
        const [a, b, c, d] = [(i + 1) % 3, (i + 2) % 3, (j + 1) % 3, (j + 2) % 3];
        return current[a][c] * current[b][d] - current[a][d] * current[b][c];
      }),
    );
    const determinant = [0, 1, 2].reduce((sum, j) => sum + current[0][j] * cofactors[0][j], 0);
    if (!(Math.abs(determinant) > 1e-12)) return null;
    const next = current.map((row, i) => row.map((value, j) => (value + cofactors[i][j] / determinant) / 2));
    const change = Math.max(...next.flatMap((row, i) => row.map((value, j) => Math.abs(value - current[i][j]))));
    current = next;
    if (change < 1e-15) break;
  }
  return current;
}

/** A way to lay an array [z, y, x] anew: axis i of the result is axis `from[i]` of the array, run through backwards where `flip[i]`. */
export interface Turn {
  from: Triple;
  flip: readonly [boolean, boolean, boolean];
}

export const UNTURNED: Turn = { from: [0, 1, 2], flip: [false, false, false] };

export function isUnturned({ from, flip }: Turn): boolean {
  return AXES.every((axis) => from[axis] === axis && !flip[axis]);
}

/** From a file's axes to right, anterior and superior. */
export function toRas({ axes, against }: Orientation): Turn {
  // Array axis i is axis 2 - i of the file, and of the world.
  const fileAxis = (i: Axis): Axis => axes.indexOf(2 - i) as Axis;
  const flip = (i: Axis): boolean => against[fileAxis(i)];
  return { from: triple((axis) => 2 - fileAxis(axis)), flip: [flip(0), flip(1), flip(2)] };
}

/** Undoes a turn. */
export function back({ from, flip }: Turn): Turn {
  const origin = (i: Axis): Axis => from.indexOf(i) as Axis;
  return { from: triple(origin), flip: [flip[origin(0)], flip[origin(1)], flip[origin(2)]] };
}

/** The volume itself where nothing changes. */
export function turnVolume<T extends LabelNumbers>(volume: T, shape: Triple, turn: Turn): T {
  if (isUnturned(turn)) return volume;
  const { from, flip } = turn;
  const strides = [shape[1] * shape[2], shape[2], 1];
  const [depth, height, width] = from.map((axis) => shape[axis]);
  const [plane, row, column] = from.map((axis, i) => (flip[i] ? -strides[axis] : strides[axis]));
  const first = from.reduce((sum, axis, i) => sum + (flip[i] ? (shape[axis] - 1) * strides[axis] : 0), 0);
  const result = new (volume.constructor as new (length: number) => T)(voxels(shape));
  for (let z = 0, i = 0; z < depth; z++)
    for (let y = 0; y < height; y++)
      for (let x = 0, at = first + z * plane + y * row; x < width; x++, at += column) result[i++] = volume[at];
  return result;
}

/** The matrix of a turned volume. @param shape [z, y, x] before */
export function turnAffine(affine: Matrix, shape: Triple, { from, flip }: Turn): number[][] {
  const moved = affine.slice(0, 3).map((row) => {
    const columns = [2, 1, 0].map((i) => (flip[i] ? 0 - row[2 - from[i]] : row[2 - from[i]]));
    const start = AXES.reduce<number>((sum, i) => sum + (flip[i] ? row[2 - from[i]] * (shape[from[i]] - 1) : 0), row[3]);
    return [...columns, start];
  });
  return [...moved, [0, 0, 0, 1]];
}
