import type { Triple } from '../../common/geometry.ts';
import { NumpyArray } from '../../formats/pickle/numpy-array.ts';
import { encodePickle, PythonFloat, tuple } from '../../formats/pickle/write-pickle.ts';
import type { FilePlace } from '../../raw/read-volumes.ts';
import { READERS, type Reader } from '../../raw/readers.ts';
import type { ClassLocations } from '../class-locations.ts';
import type { Sidecar } from '../sidecar.ts';

/** What is said of a case beside its voxels, in the words of a sidecar. */
export interface CaseProperties extends Pick<Sidecar, 'shape' | 'transpose' | 'rawSpacing' | 'shapeBeforeCrop' | 'cropBox' | 'affine'> {
  /** Of the box that was resampled, in stored order. */
  croppedShape: Triple;
  classes: readonly ClassLocations[];
  reader: Reader;
  /** How the image lay in its file, which a reader may have turned. */
  file: Pick<FilePlace, 'affine' | 'orientation'>;
  /** For us: nnU-Net does not look at it. */
  voxfeed: ReadonlyMap<string, unknown>;
}

/**
 * A case's `.pkl` as nnU-Net writes it: what training reads (class_locations) and what predictions are brought back to their image by.
 * @returns the parts of the file
 */
export function encodeProperties(properties: CaseProperties): Uint8Array[] {
  const { shape, transpose, rawSpacing, shapeBeforeCrop, cropBox, croppedShape, classes, voxfeed } = properties;
  const spacing = rawSpacing.map((_, axis) => new PythonFloat(rawSpacing[transpose.indexOf(axis)]));
  return encodePickle(
    new Map<string, unknown>([
      ...placeOf(properties),
      ['spacing', spacing],
      ['shape_before_cropping', tuple(shapeBeforeCrop)],
      ['bbox_used_for_cropping', cropBox.lower.map((low, axis) => [low, cropBox.upper[axis]])],
      ['shape_after_cropping_and_before_resampling', tuple(croppedShape)],
      ['class_locations', new Map(classes.map((entry) => [keyOf(entry), locationsOf(entry, shape)]))],
      ['voxfeed', voxfeed],
    ]),
  );
}

/** A label, or a region's labels in their order. */
function keyOf({ labels }: ClassLocations): unknown {
  return labels.length === 1 ? labels[0] : tuple(labels);
}

/** int64 rows (channel, z, y, x); an empty list where there are none. */
function locationsOf({ locations }: ClassLocations, [, height, width]: Triple): unknown {
  if (locations.length === 0) return [];
  const rows = new Float64Array(4 * locations.length);
  for (const [row, location] of locations.entries()) {
    rows[4 * row + 1] = Math.floor(location / (height * width));
    rows[4 * row + 2] = Math.floor(location / width) % height;
    rows[4 * row + 3] = location % width;
  }
  return new NumpyArray('i8', [locations.length, 4], rows);
}

/** What nnU-Net's reader of that name needs to write labels where the image lies: an entry, or none. */
function placeOf({ reader, affine, file }: CaseProperties): [string, Map<string, unknown>][] {
  const { family: library, reorients } = READERS[reader];
  if (library === 'itk')
    return [['sitk_stuff', new Map([...sitkPlace(affine), ...(reorients ? [['original_orientation', file.orientation] as const] : [])])]];
  if (library !== 'nibabel') return [];
  const matrices = [['original_affine', file.affine] as const, ...(reorients ? [['reoriented_affine', affine] as const] : [])];
  return [['nibabel_stuff', new Map(matrices.map(([name, of]) => [name, new NumpyArray('f8', [4, 4], Float64Array.from(of.flat()))]))]];
}

/** ITK's words: steps along the axes x, y, z, where the first voxel is, and the axes' directions by rows. It looks left and to the back. */
function sitkPlace(affine: readonly (readonly number[])[]): Map<string, unknown> {
  const step = [0, 1, 2].map((column) => Math.hypot(...[0, 1, 2].map((row) => affine[row][column])));
  const [x, y, z] = affine.slice(0, 3).map((row, i) => (i < 2 ? row.map((value) => 0 - value) : row));
  const floats = (values: readonly number[]): unknown => tuple(values.map((value) => new PythonFloat(value)));
  return new Map([
    ['spacing', floats(step)],
    ['origin', floats([x[3], y[3], z[3]])],
    ['direction', floats([x, y, z].flatMap((row) => row.slice(0, 3).map((value, column) => value / step[column])))],
  ]);
}
