import { OptionError } from '../../../common/errors.ts';
import { voxels } from '../../../common/geometry.ts';
import type { OptionTable } from '../../../common/options.ts';
import { that } from '../../../common/schemas.ts';
import type { StepOf, Transform } from '../../transform.ts';

const areForeground = (labels: unknown): boolean =>
  Array.isArray(labels) && labels.length > 0 && labels.every((label, i) => Number.isInteger(label) && label > (i > 0 ? labels[i - 1] : 0));

const OPTIONS = {
  /** The foreground labels, ascending. */
  labels: {
    schema: that<readonly number[]>('a list of labels', areForeground, 'Give the foreground labels, ascending'),
    required: true,
    help: 'the foreground labels, ascending',
  },
} as const satisfies OptionTable;

/**
 * Writes the previous stage's labels into the last channels of the image, one a label: 1 where the label is, 0 elsewhere. The channels
 * of the patch count these (nnU-Net's cascade: batchgeneratorsv2's `MoveSegAsOneHotToDataTransform`).
 */
export interface OneHotStep extends StepOf<'oneHot', typeof OPTIONS> {}

export const oneHot: Transform<typeof OPTIONS, Record<string, never>> = {
  purpose: 25,
  options: OPTIONS,
  invisible: true,

  draw({ labels }, { channels }) {
    if (labels.length < channels) return {};
    throw new OptionError(
      'oneHot.labels',
      `${labels.length} labels need more channels than the patch's ${channels}`,
      'Give the foreground labels',
    );
  },

  apply({ shape, channels, data, previous }, _parameters, { labels }, { buffer }) {
    if (previous === undefined)
      throw new OptionError(
        'oneHot',
        'there are no labels of a previous stage',
        'Use it in a cascade, with the folder of the previous stage',
      );
    const count = voxels(shape);
    const before = new Int16Array(buffer, previous, count);
    for (const [k, label] of labels.entries()) {
      const image = new Float32Array(buffer, data + (channels - labels.length + k) * count * 4, count);
      for (let i = 0; i < count; i++) image[i] = before[i] === label ? 1 : 0;
    }
  },
};
