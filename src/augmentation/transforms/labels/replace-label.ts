import { voxels } from '../../../common/geometry.ts';
import { FOUND } from '../../../kernels/spatial.ts';
import type { Step, Transform } from '../../transform.ts';
import { checkOptions, checkWhole } from '../check-options.ts';

/** One label becomes another; by default -1, outside, becomes background. */
export interface ReplaceLabelStep extends Step {
  readonly transform: 'replaceLabel';
  /** Default -1. */
  readonly from?: number;
  /** Default 0. */
  readonly to?: number;
}

export const replaceLabel: Transform<ReplaceLabelStep, Record<string, never>> = {
  stage: 9,

  check(step, path) {
    checkOptions(step, path, ['from', 'to']);
    for (const name of ['from', 'to'] as const) checkWhole(`${path}.${name}`, step[name] ?? 0, -1, 32767);
  },

  draw: () => ({}),

  apply(sample, _, { from = -1, to = 0 }, { kernels }) {
    if (from < 0 && !sample.hasOutside) return;
    const count = voxels(sample.shape);
    const found = kernels.replaceLabel(sample.target, count, from, to);
    if (sample.previous !== undefined) kernels.replaceLabel(sample.previous, count, from, to);
    sample.hasOutside = (found & FOUND.outside) !== 0;
  },
};
