import { CaseError } from '../common/errors.ts';
import { show, showVoxel, type Triple, voxels } from '../common/geometry.ts';
import { foldedName, nameFault } from '../common/names.ts';
import { shown } from '../common/options.ts';
import { isWide, type Labels, OUTSIDE } from '../raw/labels.ts';
import { targetOf } from './grid.ts';

/** A case that was preprocessed elsewhere. */
export interface StoreCase {
  /** Its name, and that of its files. */
  id: string;
  /** [z, y, x]; a slice is a volume of one. */
  shape: Triple;
  /** All channels, one after the other: [C, z, y, x]. As the network is to see it: nothing is normalised any more. */
  image: Float32Array;
  /** [z, y, x]; -1 outside the region that holds anything. */
  segmentation: Int8Array | Uint8Array | Int16Array;
  /** Of a voxel in millimetres, [z, y, x]. Default: that of the plans, or 1 mm. */
  spacing?: Triple;
  /** From voxel (x, y, z, 1) to millimetres, 4×4, rows first: where pictures and replayed samples lie. Default: by `spacing`. */
  affine?: number[][];
}

/** What all cases of a store have in common. */
export interface CaseExpectation {
  channels: number;
  labels: Labels;
  /** Of the plans; null: any. */
  spacing: readonly number[] | null;
  /** Of the cases before it, folded, to which its own is added. */
  ids: Set<string>;
}

export interface CheckedCase extends Required<Omit<StoreCase, 'image' | 'segmentation'>> {
  images: Float32Array[];
  segmentation: Int8Array | Int16Array;
}

const FIELDS = ['id', 'shape', 'image', 'segmentation', 'spacing', 'affine'];

/** @throws CaseError naming the case and what is wrong with it */
export function checkCase(given: StoreCase, { channels, labels, spacing: planned, ids }: CaseExpectation): CheckedCase {
  const { id, shape, image, segmentation } = given;
  const fail = (what: string, action: string): never => {
    throw new CaseError(`case ${nameFault(id) === null ? id : shown(id)}`, what, action);
  };
  const numbers = (list: unknown, length: number, good: (value: number) => boolean): boolean =>
    Array.isArray(list) && list.length === length && list.every(good);
  const unknown = Object.keys(given).find((name) => !FIELDS.includes(name));
  if (unknown !== undefined) fail(`it has a field "${unknown}"`, `Its fields are ${FIELDS.join(', ')}: correct the name or leave it out`);
  checkId(id, ids, fail);
  if (!numbers(shape, 3, (size) => Number.isInteger(size) && size > 0))
    fail(`its shape is ${JSON.stringify(shape)}`, 'Give three whole numbers, [z, y, x]');
  const count = voxels(shape);
  if (!(image instanceof Float32Array)) fail('its image is no Float32Array', 'Convert it: Float32Array.from(image)');
  if (image.length !== channels * count)
    fail(
      `its image has ${image.length} values, ${channels} of ${show(shape)} are ${channels * count}`,
      'Give all channels, one after the other',
    );
  const bad = image.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    fail(`its image is ${image[bad]} at ${showVoxel(bad % count, shape)} of channel ${Math.floor(bad / count)}`, 'Replace it by a number');
  if (!(segmentation instanceof Int8Array || segmentation instanceof Uint8Array || segmentation instanceof Int16Array))
    fail('its segmentation is no Int8Array, Uint8Array or Int16Array', 'Convert it: Int16Array.from(segmentation)');
  if (segmentation.length !== count)
    fail(`its segmentation has ${segmentation.length} voxels, ${show(shape)} are ${count}`, 'Give one label a voxel of the image');
  const known = new Set([OUTSIDE, ...labels.values, ...(labels.ignore === null ? [] : [labels.ignore])]);
  const strange = segmentation.findIndex((label) => !known.has(label));
  if (strange >= 0)
    fail(
      `its segmentation is ${segmentation[strange]} at ${showVoxel(strange, shape)}`,
      `Labels are ${[...known].join(', ')}: correct it, or name it in \`labels\``,
    );
  const spacing = given.spacing ?? (planned === null ? [1, 1, 1] : targetOf(planned, [1, 1, 1]));
  if (!numbers(spacing, 3, (size) => Number.isFinite(size) && size > 0))
    fail(`its spacing is ${JSON.stringify(spacing)}`, 'Give three numbers above 0, [z, y, x] in millimetres');
  if (planned !== null && !planned.every((size, axis) => Math.abs(spacing[axis + 3 - planned.length] - size) <= 1e-3 * size))
    fail(`its spacing is ${show(spacing)}, the plans say ${show(planned)}`, 'Resample it, or give other plans');
  const affine = given.affine ?? [];
  if (given.affine !== undefined && !(affine.length === 4 && affine.every((row) => numbers(row, 4, Number.isFinite))))
    fail(`its affine is ${JSON.stringify(affine)}`, 'Give four rows of four numbers, or leave it out');
  const Labels = isWide(labels) ? Int16Array : Int8Array;
  return {
    id,
    shape: [...shape],
    spacing: [...spacing],
    affine,
    images: Array.from({ length: channels }, (_, channel) => image.subarray(channel * count, (channel + 1) * count)),
    segmentation: segmentation instanceof Labels ? segmentation : new Labels(segmentation),
  };
}

/** It becomes the name of three files, beside those of the others, on file systems that may not tell upper from lower case. */
function checkId(id: unknown, ids: Set<string>, fail: (what: string, action: string) => never): void {
  const fault = nameFault(id);
  if (fault !== null) fail(`its id ${fault}`, 'Name it with letters and digits');
  const folded = foldedName(id as string);
  if (ids.has(folded))
    fail('its id is that of another case, or differs from it in case or accents alone', 'Give each case an id of its own');
  const clash = [`${folded}_seg`, folded.replace(/_seg$/, '')].find((other) => ids.has(other));
  if (clash !== undefined) fail(`the files of case ${clash} would have its names`, 'Rename one of the two');
  ids.add(folded);
}
