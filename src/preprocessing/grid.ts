import type { Triple } from '../common/geometry.ts';
import type { Configuration } from '../planning/plans-file.ts';
import { resampledShape, transpose } from '../planning/target-spacing.ts';
import type { Labels } from '../raw/labels.ts';

/** What patches are drawn from: the axis order and spacing that a case is brought to, and the patch. */
export interface Grid {
  transpose: Triple;
  /** Millimetres; two entries where axis 0 keeps its own. */
  spacing: number[];
  patch: Triple;
}

/** What decides the voxels of a store, besides the raw files. */
export interface StoreOptions extends Pick<Configuration, 'normalisation' | 'transpose' | 'spacing' | 'resampling'> {
  labels: Labels;
  channels: string[];
}

/** The shape, in the grid's axis order, that a volume is resampled to. */
export function gridShape(grid: Pick<Grid, 'transpose' | 'spacing'>, shape: Triple, spacing: Triple): Triple {
  const own = transpose(spacing, grid.transpose);
  return resampledShape(transpose(shape, grid.transpose), own, targetOf(grid.spacing, own));
}

/** A configuration's spacing in three axes: a 2D one leaves axis 0 as it is. */
export function targetOf(spacing: readonly number[], own: Triple): Triple {
  return (spacing.length === 2 ? [own[0], ...spacing] : [...spacing]) as Triple;
}
