import { readFileSync } from 'node:fs';
import { fileError, StoreError } from '../../common/errors.ts';
import { type Box, show, type Triple, transpose, triple } from '../../common/geometry.ts';
import { NumpyArray } from '../../formats/pickle/numpy-array.ts';
import { readPickle } from '../../formats/pickle/read-pickle.ts';
import type { LabelClass } from '../../raw/labels.ts';
import type { ClassLocations } from '../class-locations.ts';
import type { Sidecar } from '../sidecar.ts';

/** What a case's `.pkl` says of where it came from, in the words of a sidecar. */
export type Origin = Pick<Sidecar, 'spacing' | 'transpose' | 'rawSpacing' | 'shapeBeforeCrop' | 'cropBox' | 'affine'>;

const ACTION = "Run nnU-Net's preprocessing again for this case";

/** Plans for where a case lies: its grid. Spacing has two entries where axis 0 keeps its own. */
export interface Grid {
  spacing: readonly number[];
  transpose: Triple;
}

/** A case's `.pkl`: a dict. @throws StoreError, FileError */
export function readProperties(path: string): Map<unknown, unknown> {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw fileError(path, error);
  }
  const properties = readPickle(path, bytes);
  if (properties instanceof Map) return properties;
  throw new StoreError(path, 'it holds no dictionary of properties', ACTION);
}

/**
 * Where a stored case of `shape` lies in its raw image. Files of other preprocessors may say nothing of that: then it was not cropped.
 * @param path for messages
 * @throws StoreError
 */
export function readOrigin(path: string, properties: Map<unknown, unknown>, grid: Grid, shape: Triple): Origin {
  const numbers = (key: string): Triple | null => {
    const value = properties.get(key);
    if (value === undefined) return null;
    if (Array.isArray(value) && value.length === 3 && value.every((entry) => Number.isFinite(entry))) return value as Triple;
    throw damaged(path, `"${key}" is not three numbers`);
  };
  const spacing = numbers('spacing');
  const { transpose: forward } = grid;
  const rawSpacing = spacing === null ? null : transpose(spacing, forward);
  const planned = grid.spacing.length === 3 ? grid.spacing : [rawSpacing?.[0] ?? grid.spacing[0], ...grid.spacing];
  const shapeBeforeCrop = numbers('shape_before_cropping') ?? shape;
  return {
    spacing: triple((axis) => planned[axis]),
    transpose: forward,
    rawSpacing: rawSpacing ?? triple((axis) => planned[axis]),
    shapeBeforeCrop,
    cropBox: readBox(path, properties.get('bbox_used_for_cropping')) ?? { lower: [0, 0, 0], upper: shapeBeforeCrop },
    affine: readAffine(properties, spacing),
  };
}

function readBox(path: string, value: unknown): Box | null {
  if (value === undefined) return null;
  const whole = (range: unknown): boolean => Array.isArray(range) && range.length === 2 && range.every(Number.isInteger);
  if (!Array.isArray(value) || value.length !== 3 || !value.every(whole)) throw damaged(path, '"bbox_used_for_cropping" is no box');
  return { lower: triple((axis) => value[axis][0]), upper: triple((axis) => value[axis][1]) };
}

/** From voxel (x, y, z, 1) of the raw image to millimetres, right-anterior-superior as NIfTI has it; none that nobody knows. */
function readAffine(properties: Map<unknown, unknown>, spacing: Triple | null): number[][] {
  const nibabel = properties.get('nibabel_stuff');
  if (nibabel instanceof Map) {
    // An image that was reoriented when it was read is what was preprocessed.
    const affine = rows(nibabel.get('reoriented_affine') ?? nibabel.get('original_affine'));
    if (affine !== null) return affine;
  }
  const sitk = properties.get('sitk_stuff');
  const [steps, origin, direction] = sitk instanceof Map ? ['spacing', 'origin', 'direction'].map((key) => sitk.get(key)) : [];
  if ([steps, origin, direction].every((list) => Array.isArray(list) && list.every((entry) => Number.isFinite(entry)))) {
    const [step, first, turn] = [steps, origin, direction] as number[][];
    // ITK's first two axes run the other way: left, posterior. 2D images have no third.
    if (step.length === 3 && first.length === 3 && turn.length === 9)
      return [0, 1, 2]
        .map((row) =>
          [0, 1, 2, 3].map((column) => (row < 2 ? -1 : 1) * (column === 3 ? first[row] : turn[3 * row + column] * step[column])),
        )
        .concat([[0, 0, 0, 1]]);
  }
  const [depth, height, width] = spacing ?? [1, 1, 1];
  return [
    [width, 0, 0, 0],
    [0, height, 0, 0],
    [0, 0, depth, 0],
    [0, 0, 0, 1],
  ];
}

function rows(value: unknown): number[][] | null {
  if (!(value instanceof NumpyArray) || value.shape.join() !== '4,4') return null;
  const flat = [...value.data];
  return flat.every(Number.isFinite) ? [0, 4, 8, 12].map((at) => flat.slice(at, at + 4)) : null;
}

/**
 * The voxels of each class, as nnU-Net drew them: its int64 rows (channel, z, y, x) as flat indices.
 * @returns null if the file has none, or none of some class: they must be drawn from the labels
 * @throws StoreError for voxels outside the volume
 */
export function readLocations(
  path: string,
  properties: Map<unknown, unknown>,
  classes: readonly LabelClass[],
  shape: Triple,
): ClassLocations[] | null {
  const stored = properties.get('class_locations');
  if (!(stored instanceof Map)) return null;
  // A region's key is the list of its labels.
  const byLabels = new Map([...stored].map(([key, value]) => [String(key), value]));
  if (!classes.every(({ labels }) => byLabels.has(String(labels)))) return null;
  return classes.map(({ name, labels }) => {
    const value = byLabels.get(String(labels));
    const none = Array.isArray(value) && value.length === 0;
    const locations = none ? new Uint32Array(0) : flatLocations(path, name, value, shape);
    return { labels, voxels: null, locations };
  });
}

function flatLocations(path: string, name: string, value: unknown, [depth, height, width]: Triple): Uint32Array {
  if (!(value instanceof NumpyArray) || value.shape.length !== 2 || value.shape[1] !== 4)
    throw damaged(path, `"class_locations" of ${name} is not an array of rows (channel, z, y, x)`);
  const { data } = value;
  return Uint32Array.from({ length: value.shape[0] }, (_, row) => {
    const [channel, z, y, x] = data.subarray(4 * row, 4 * row + 4);
    const inside = channel === 0 && z >= 0 && z < depth && y >= 0 && y < height && x >= 0 && x < width;
    if (!inside)
      throw damaged(path, `"class_locations" of ${name} has ${show([z, y, x])}, outside its volume ${show([depth, height, width])}`);
    return (z * height + y) * width + x;
  });
}

function damaged(path: string, what: string): StoreError {
  return new StoreError(path, what, ACTION);
}
