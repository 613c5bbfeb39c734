import { voxels } from '../../../common/geometry.ts';
import type { OptionTable } from '../../../common/options.ts';
import { wholeNumber } from '../../../common/schemas.ts';
import { FOUND } from '../../../kernels/spatial.ts';
import type { StepOf, Transform } from '../../transform.ts';

const OPTIONS = {
  /** Default -1. */
  from: { schema: wholeNumber(-1, 32767), default: -1, help: 'the label that is replaced' },
  /** Default 0. */
  to: { schema: wholeNumber(-1, 32767), default: 0, help: 'what it becomes' },
} as const satisfies OptionTable;

/** One label becomes another; by default -1, outside, becomes background. */
export interface ReplaceLabelStep extends StepOf<'replaceLabel', typeof OPTIONS> {}

export const replaceLabel: Transform<typeof OPTIONS, Record<string, never>> = {
  purpose: 9,
  options: OPTIONS,
  bearsMirroring: true,
  invisible: true,

  makesForeground: ({ from, to }) => from > 0 || to > 0,

  draw: () => ({}),

  apply(sample, _, { from, to }, { kernels }) {
    if (from < 0 && !sample.hasOutside) return;
    const count = voxels(sample.shape);
    const found = kernels.replaceLabel(sample.target, count, from, to);
    if (sample.previous !== undefined) kernels.replaceLabel(sample.previous, count, from, to);
    sample.hasOutside = (found & FOUND.outside) !== 0;
  },
};
