import { patchOf, type Triple, transpose } from '../common/geometry.ts';
import { resampledShape } from '../planning/target-spacing.ts';
import type { Plans } from '../plans/plans.ts';
import { type Configuration, resolveConfiguration, sharesVoxels } from '../plans/plans-file.ts';
import type { Labels } from '../raw/labels.ts';
import type { Reader } from '../raw/readers.ts';
import type { ImageDtype } from '../store/storage.ts';

/** What patches are drawn from: the axis order and spacing that a case is brought to, and the patch. */
export interface PatchGrid {
  transpose: Triple;
  /** Millimetres; two entries where axis 0 keeps its own. */
  spacing: number[];
  patch: Triple;
}

/** What decides the voxels of a store, besides the raw files. */
export interface StoreOptions extends Pick<Configuration, 'normalisation' | 'transpose' | 'spacing' | 'resampling'> {
  labels: Labels;
  channels: string[];
  /** Where it is not nnU-Net's first for the ending of the files. */
  reader?: Reader;
  /** Of the images, where it is not float32. */
  dtype?: Exclude<ImageDtype, 'float32'>;
  /** What files arrays are in, where it is not .npy. */
  arrays?: 'b2nd';
}

/** The shape, in the grid's axis order, that a volume is resampled to. */
export function gridShape(grid: Pick<PatchGrid, 'transpose' | 'spacing'>, shape: Triple, spacing: Triple): Triple {
  const own = transpose(spacing, grid.transpose);
  return resampledShape(transpose(shape, grid.transpose), own, targetOf(grid.spacing, own));
}

/** A configuration's spacing in three axes: a 2D one leaves axis 0 as it is. */
export function targetOf(spacing: readonly number[], own: Triple): Triple {
  return (spacing.length === 2 ? [own[0], ...spacing] : [...spacing]) as Triple;
}

/** The patch sizes of all configurations that can draw from what is written for this one. */
export function patchesOn(configuration: Configuration, path: string, plans: Plans): Triple[] {
  const sizes = Object.keys(plans.configurations).flatMap((name) => {
    try {
      const other = resolveConfiguration(path, plans, name);
      return sharesVoxels(configuration, other) ? [other.patchSize] : [];
    } catch {
      // Whatever is wrong with a configuration that nobody asked for is no concern here.
      return [];
    }
  });
  return [...new Map(sizes.map((size) => [size.join(), patchOf(size)])).values()];
}
