import type { Samples } from './samples.ts';

/** Mean and standard deviation of so many numbers, and how sure they are. */
export interface Moments {
  count: number;
  mean: number;
  deviation: number;
  /** Standard error of the deviation: by the fourth moment, as nothing here is normal. */
  deviationError: number;
}

/** What is recorded of nnU-Net's samples: enough to see whether another loader's could be from the same distributions. */
export interface Summary {
  boxes: { count: number; forced: number; cases: Record<string, number>; classes: Record<string, number> };
  /** Of the first voxel, by axis, of forced boxes and of random ones. */
  lower: { forced: Moments[]; random: Moments[] };
  patches: Record<string, Moments>;
  /** Patches that hold any voxel of a label. */
  holding: Record<string, number>;
  transforms: Samples['transforms'];
}

export function moments(values: readonly number[]): Moments {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const power = (exponent: number): number => values.reduce((sum, value) => sum + (value - mean) ** exponent, 0) / count;
  const variance = power(2);
  const deviation = Math.sqrt(variance);
  const varianceError = Math.sqrt(Math.max(0, power(4) - variance ** 2) / count);
  return { count, mean, deviation, deviationError: deviation > 0 ? varianceError / (2 * deviation) : 0 };
}

const tally = (values: readonly (string | number)[]): Record<string, number> =>
  Object.fromEntries([...Map.groupBy(values, String)].map(([value, all]) => [value, all.length]));

export function summarise({ boxes, patches, transforms }: Samples): Summary {
  const starts = (forced: number): Moments[] => boxes.lower.map((axis) => moments(axis.filter((_, i) => boxes.forced[i] === forced)));
  const labels = Object.keys(patches).filter((name) => name.startsWith('voxels of label'));
  return {
    boxes: {
      count: boxes.case.length,
      forced: boxes.forced.reduce((sum, one) => sum + one, 0),
      cases: tally(boxes.case),
      classes: tally(boxes.class.filter((_, i) => boxes.forced[i] === 1)),
    },
    lower: { forced: starts(1), random: starts(0) },
    patches: Object.fromEntries(Object.entries(patches).map(([name, values]) => [name, moments(values)])),
    holding: Object.fromEntries(labels.map((name) => [name, patches[name].filter((voxels) => voxels > 0).length])),
    transforms,
  };
}
