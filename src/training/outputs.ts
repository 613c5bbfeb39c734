import { OptionError } from '../common/errors.ts';
import { foregroundOf, type Labels } from '../raw/labels.ts';

/** What a network says of a voxel. */
export interface Outputs {
  /** How many: labels, background included, or regions. */
  classes: number;
  /** The labels of each region, in the order of outputs, where it has regions. */
  regions?: number[][];
}

/**
 * One output a region where a data set has any (nnU-Net's `num_segmentation_heads`); else one for background and every label, which must be
 * numbered 0, 1, 2, ….
 * @throws OptionError
 */
export function outputsOf({ values, classes }: Labels): Outputs {
  const regions = foregroundOf(classes).map(({ labels }) => [...labels]);
  if (regions.some((labels) => labels.length > 1)) return { classes: regions.length, regions };
  if (values.some((value, i) => value !== i))
    throw new OptionError(
      'store',
      `its labels are ${values.join(', ')}, not 0, 1, 2 and so on`,
      'Number them so in dataset.json and the label files',
    );
  return { classes: values.length };
}
