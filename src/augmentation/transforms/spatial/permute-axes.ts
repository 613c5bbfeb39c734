import type { Triple } from '../../../common/geometry.ts';
import type { OptionTable } from '../../../common/options.ts';
import type { StepOf, Transform } from '../../transform.ts';
import { equalAxes, reorient, reorientBytes } from './reorient.ts';

const OPTIONS = {} as const satisfies OptionTable;

/**
 * Exchanges the axes of one size, the largest group of them, in a random order. Does nothing where no two axes are equal
 * (nnU-Net's DA5: batchgeneratorsv2's `TransposeAxesTransform`).
 */
export interface PermuteAxesStep extends StepOf<'permuteAxes', typeof OPTIONS> {}

export interface PermuteAxesParameters {
  /** For each axis of the result the one it was. */
  order: Triple;
}

export const permuteAxes: Transform<typeof OPTIONS, PermuteAxesParameters> = {
  purpose: 17,
  options: OPTIONS,

  draw(_step, context, draws) {
    const axes = equalAxes(context);
    const left = [...axes];
    const order: Triple = [0, 1, 2];
    for (const axis of axes) order[axis] = left.splice(draws.below(left.length), 1)[0];
    return order.every((from, axis) => from === axis) ? null : { order };
  },

  apply(sample, { order }, _step, workspace) {
    reorient(sample, { order, reversed: [false, false, false] }, workspace);
  },

  scratchBytes: (_step, context) => reorientBytes(context),
};
