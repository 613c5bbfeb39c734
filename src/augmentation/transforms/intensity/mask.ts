import { OptionError } from '../../../common/errors.ts';
import { voxels } from '../../../common/geometry.ts';
import type { Step, Transform } from '../../transform.ts';
import { checkOptions } from '../check-options.ts';

/** Channels become 0 where the label is below 0: what was normalised within the nonzero region stays 0 around it. */
export interface MaskStep extends Step {
  readonly transform: 'mask';
  /** Which channels, counted from 0. */
  readonly channels: readonly number[];
}

export const mask: Transform<MaskStep, Record<string, never>> = {
  stage: 8,

  check(step, path) {
    checkOptions(step, path, ['channels']);
    if (Array.isArray(step.channels) && step.channels.every((channel) => Number.isInteger(channel) && channel >= 0)) return;
    throw new OptionError(
      `${path}.channels`,
      `${JSON.stringify(step.channels)} is no list of channels`,
      'Give their numbers, counted from 0',
    );
  },

  draw: () => ({}),

  apply({ hasOutside, channels, shape, data, target }, _, step, { kernels }) {
    if (!hasOutside) return;
    const count = voxels(shape);
    for (const channel of step.channels) if (channel < channels) kernels.maskImage(data + 4 * channel * count, target, count);
  },
};
