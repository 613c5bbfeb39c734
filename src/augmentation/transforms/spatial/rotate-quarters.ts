import type { Triple } from '../../../common/geometry.ts';
import type { OptionTable } from '../../../common/options.ts';
import type { StepOf, Transform } from '../../transform.ts';
import { equalAxes, reorient, reorientBytes } from './reorient.ts';

const OPTIONS = {} as const satisfies OptionTable;

/**
 * Turns image and labels by 0 to 3 quarters, equally likely, in the plane of two of the largest group of axes of one size. Does
 * nothing where no two axes are equal (nnU-Net's DA5: batchgeneratorsv2's `Rot90Transform`).
 */
export interface RotateQuartersStep extends StepOf<'rotateQuarters', typeof OPTIONS> {}

export interface RotateQuartersParameters {
  /** The plane, lower axis first. */
  axes: [number, number];
  /** Quarters from the first axis towards the second, 1 to 3. */
  quarters: number;
}

export const rotateQuarters: Transform<typeof OPTIONS, RotateQuartersParameters> = {
  purpose: 16,
  options: OPTIONS,

  draw(_step, context, draws) {
    const axes = equalAxes(context);
    if (axes.length === 0) return null;
    const quarters = draws.below(4);
    // Two of three are all but one.
    if (axes.length === 3) axes.splice(draws.below(3), 1);
    return quarters === 0 ? null : { axes: [axes[0], axes[1]], quarters };
  },

  apply(sample, { axes: [first, second], quarters }, _step, workspace) {
    const order: Triple = [0, 1, 2];
    if (quarters !== 2) [order[first], order[second]] = [second, first];
    const reversed: [boolean, boolean, boolean] = [false, false, false];
    reversed[first] = quarters !== 3;
    reversed[second] = quarters !== 1;
    reorient(sample, { order, reversed }, workspace);
  },

  scratchBytes: (_step, context) => reorientBytes(context),
};
