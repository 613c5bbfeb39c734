import { voxels } from '../../../common/geometry.ts';
import type { OptionTable } from '../../../common/options.ts';
import { that } from '../../../common/schemas.ts';
import type { StepOf, Transform } from '../../transform.ts';

const OPTIONS = {
  /** Which channels, counted from 0. */
  channels: {
    schema: that<readonly number[]>(
      'a list of channels',
      (value) => Array.isArray(value) && value.every((channel) => Number.isInteger(channel) && channel >= 0),
      'Give their numbers, counted from 0',
    ),
    required: true,
    help: 'which channels, counted from 0',
  },
} as const satisfies OptionTable;

/** Labels of so many voxels stay in a core's first-level cache while one channel after the other is masked by them. */
const AT_ONCE = 8192;

/** Channels become 0 where the label is below 0: what was normalised within the nonzero region stays 0 around it. */
export interface MaskStep extends StepOf<'mask', typeof OPTIONS> {}

export const mask: Transform<typeof OPTIONS, Record<string, never>> = {
  purpose: 8,
  options: OPTIONS,
  bearsMirroring: true,
  invisible: true,

  draw: () => ({}),

  apply({ hasOutside, channels, shape, data, target }, _, step, { kernels }) {
    if (!hasOutside) return;
    const count = voxels(shape);
    const masked = step.channels.filter((channel) => channel < channels);
    for (let from = 0; from < count; from += AT_ONCE)
      for (const channel of masked)
        kernels.maskImage(data + 4 * (channel * count + from), target + 2 * from, Math.min(AT_ONCE, count - from));
  },
};
