import { DatasetError } from '../common/errors.ts';

/** One thing a patch can be centred on: a label, a region (several labels), or all annotated voxels. */
export interface LabelClass {
  name: string;
  /** The label values whose voxels belong to it, in the order dataset.json writes them. */
  labels: number[];
}

/** What the labels of a data set mean, read from "labels" in dataset.json by nnU-Net's rules. */
export interface Labels {
  /** Every label value a file may hold, ascending, background included, ignore label excluded. */
  values: number[];
  /** The value that marks voxels nobody annotated, or null. */
  ignore: number | null;
  /**
   * What class locations are stored for: foreground labels ascending, or regions in dataset.json order; if there is an ignore
   * label, the annotated voxels last, under the labels -1 and all values (nnU-Net's key for them).
   */
  classes: LabelClass[];
}

/** The labels of the class "annotated" start with this value; it marks voxels outside the nonzero region. */
export const OUTSIDE = -1;

/** True for the class that holds every annotated voxel (only data sets with an ignore label have it). */
export function isAnnotated(candidate: LabelClass): boolean {
  return candidate.labels[0] === OUTSIDE;
}

/** What can be found in an image: all classes but the annotated voxels. */
export function foregroundOf(classes: readonly LabelClass[]): LabelClass[] {
  return classes.filter((entry) => !isAnnotated(entry));
}

/** Whether one byte a voxel is too little for them. */
export function isWide({ values, ignore }: Labels): boolean {
  return Math.max(...values, ignore ?? 0) > 127;
}

/** @throws DatasetError naming `where` if "labels" cannot be used. */
export function readLabels(where: string, json: unknown): Labels {
  const fail = (what: string, action = 'Write it as {"background": 0, "name": 1, …}; a region lists its labels'): never => {
    throw new DatasetError(where, what, action);
  };
  if (typeof json !== 'object' || json === null || Array.isArray(json)) fail('"labels" is not an object');
  const entries = Object.entries(json as Record<string, unknown>);
  const isLabel = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 32767;

  const named = entries
    .filter(([name]) => name !== 'ignore')
    .map(([name, value]) => {
      const labels = Array.isArray(value) ? value : [value];
      if (labels.length === 0 || !labels.every(isLabel))
        fail(`label "${name}" is ${JSON.stringify(value)}, not a whole number from 0 to 32767 or a list of them`);
      return { name, labels: labels as number[], region: Array.isArray(value) && value.length > 1 };
    });
  const background = named.find(({ name }) => name === 'background');
  if (background?.labels.some((label) => label !== 0))
    fail(`"background" is ${JSON.stringify(background.labels)}, not 0`, 'Give background the label 0');
  const values = [...new Set([0, ...named.flatMap(({ labels }) => labels)])].sort((a, b) => a - b);
  const foreground = named.filter(({ labels }) => labels.some((label) => label !== 0));
  if (foreground.length === 0) fail('"labels" names no foreground label');

  const ignored = (json as Record<string, unknown>).ignore;
  const next = values[values.length - 1] + 1;
  if (ignored !== undefined && (ignored !== next || !isLabel(next))) {
    fail(
      `the ignore label ${JSON.stringify(ignored)} is not ${next}, the highest other label and one more`,
      `nnU-Net demands it: write "ignore": ${next} and that value in the label files`,
    );
  }
  const ignore = (ignored as number | undefined) ?? null;

  const plain = !named.some(({ region }) => region);
  const classes: LabelClass[] = foreground.map(({ name, labels }) => ({ name, labels }));
  const unordered = named.find(({ name }) => /^\d+$/.test(name));
  if (!plain && unordered)
    fail(
      `the region "${unordered.name}" is named by a number, which loses its place in the order of regions`,
      'Give it a name with a letter',
    );
  if (plain) {
    classes.sort((a, b) => a.labels[0] - b.labels[0]);
    const twice = classes.find((entry, i) => i > 0 && entry.labels[0] === classes[i - 1].labels[0]);
    if (twice) fail(`label ${twice.labels[0]} has two names`);
  }
  if (ignore !== null) classes.push({ name: 'annotated', labels: [OUTSIDE, ...values] });
  return { values, ignore, classes };
}
