import { OptionError } from '../../../common/errors.ts';
import { voxels } from '../../../common/geometry.ts';
import type { Step, Transform } from '../../transform.ts';
import { checkOptions } from '../check-options.ts';

/**
 * Writes the previous stage's labels into the last channels of the image, one a label: 1 where the label is, 0 elsewhere. The channels
 * of the patch count these (nnU-Net's cascade: batchgeneratorsv2's `MoveSegAsOneHotToDataTransform`).
 */
export interface OneHotStep extends Step {
  readonly transform: 'oneHot';
  /** The foreground labels, ascending. */
  readonly labels: readonly number[];
}

export const oneHot: Transform<OneHotStep, Record<string, never>> = {
  stage: 25,

  check(step, path) {
    checkOptions(step, path, ['labels']);
    const { labels } = step;
    const usable =
      Array.isArray(labels) &&
      labels.length > 0 &&
      labels.every((label, i) => Number.isInteger(label) && label > (i > 0 ? labels[i - 1] : 0));
    if (!usable)
      throw new OptionError(
        `${path}.labels`,
        `${JSON.stringify(labels) ?? 'nothing'} is no list of labels`,
        'Give the foreground labels, ascending',
      );
  },

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
