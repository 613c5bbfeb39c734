import { DatasetError } from '../common/errors.ts';
import type { PlannedConfiguration } from './configuration.ts';

/** What a configuration is planned for. Axes are the plans'. */
export interface PlannedFor {
  /** Of the data set's folder, for messages. */
  folder: string;
  configuration: string;
  /** "z", "y" or "x" in the files, in the plans' order. */
  axes: readonly string[];
  /** Millimetres. */
  spacing: readonly number[];
  /** After resampling. */
  median: readonly number[];
}

/**
 * Refuses a patch without voxels: nnU-Net ends with an OverflowError there, for a network of size 0 allows a batch without end.
 * @throws DatasetError naming the axis
 */
export function refuseEmptyPatch({ patch }: PlannedConfiguration, { folder, configuration, axes, spacing, median }: PlannedFor): void {
  const axis = patch.findIndex((length) => !(length >= 1 && Number.isFinite(length)));
  if (axis < 0) return;
  const [name, size] = [axes[axis], short(spacing[axis])];
  // A volume may have become too thin; else the spacings are too different for a patch of one volume of voxels.
  if (median[axis] < 1)
    throw new DatasetError(
      folder,
      `no ${configuration} can be planned: half of all cases, or more, are so thin along axis ${name} that no voxel of ${size} mm is left of them`,
      `Give this axis its true spacing in the files; for cases of a single slice one larger than the others (nnU-Net writes 999 mm), which makes them 2D data`,
    );
  throw new DatasetError(
    folder,
    `no ${configuration} can be planned: voxels are ${size} mm along axis ${name} and ${short(Math.min(...spacing))} mm along another, so a patch would have none along ${name}`,
    `Correct the spacing in the files, in millimetres; if it is right, store every slice across axis ${name} as a case of its own, which makes them 2D data`,
  );
}

function short(millimetres: number): string {
  return String(Number(millimetres.toPrecision(4)));
}
