import { voxels } from '../../../common/geometry.ts';
import type { OptionTable } from '../../../common/options.ts';
import { drawRange } from '../../ranges.ts';
import { range } from '../../step-options.ts';
import type { Sample, StepOf, Transform, Workspace } from '../../transform.ts';
import { dilate, invertMask, maskWords, packMask, visitMask } from './bit-mask.ts';
import { CASCADE_OPTIONS, type CascadeOptions, drawCascadeChannels } from './cascade-channels.ts';
import { structuringElement } from './structuring-element.ts';

const OPERATORS = ['dilation', 'erosion', 'closing', 'opening'] as const;

const OPTIONS = {
  ...CASCADE_OPTIONS,
  /** Radius of the ball, or of the disk in 2D, in voxels, drawn for each label. Default [1, 8]. */
  radius: range([1, 8], { from: 0, to: 64, help: 'radius of the ball, or of the disk in 2D, in voxels, drawn for each label' }),
} as const satisfies OptionTable;

/**
 * Dilates, erodes, closes or opens labels of a previous stage. What a label gains, all others lose; what it loses, none gains. The
 * border of the patch does not erode (nnU-Net's cascade: batchgeneratorsv2's `ApplyRandomBinaryOperatorTransform`).
 */
export interface BinaryOperatorsStep extends CascadeOptions, StepOf<'binaryOperators', typeof OPTIONS> {}

export interface BinaryOperatorsParameters {
  /** In the order in which they are made; `channel` counts from the first of the cascade's channels. */
  operations: { channel: number; operator: (typeof OPERATORS)[number]; radius: number }[];
}

export const binaryOperators: Transform<typeof OPTIONS, BinaryOperatorsParameters> = {
  purpose: 26,
  options: OPTIONS,
  invisible: true,

  draw(step, context, draws) {
    const operations = drawCascadeChannels(draws, context, step).map((channel) => ({
      channel,
      operator: OPERATORS[draws.below(OPERATORS.length)],
      radius: drawRange(draws, step.radius),
    }));
    return operations.length > 0 ? { operations } : null;
  },

  apply(sample, { operations }, { channels }, workspace) {
    const { buffer } = workspace;
    const count = voxels(sample.shape);
    const images = Array.from(
      { length: channels },
      (_, k) => new Float32Array(buffer, sample.data + (sample.channels - channels + k) * count * 4, count),
    );
    for (const { channel, operator, radius } of operations) {
      const image = images[channel];
      const others = images.filter((other) => other !== image);
      const { before, after } = operate(image, operator, radius, sample, workspace);
      image.fill(0);
      visitMask(after, sample.shape, (voxel) => {
        image[voxel] = 1;
      });
      for (let i = 0; i < after.length; i++) after[i] &= ~before[i];
      visitMask(after, sample.shape, (voxel) => {
        for (const other of others) other[voxel] = 0;
      });
    }
  },

  scratchBytes: (_step, { shape }) => 4 * 4 * maskWords(shape),
};

function operate(
  image: Float32Array,
  operator: (typeof OPERATORS)[number],
  radius: number,
  { shape, axes, mirrored }: Sample,
  { buffer, scratch }: Workspace,
): { before: Uint32Array; after: Uint32Array } {
  const words = maskWords(shape);
  const [before, first, second, spread] = [0, 1, 2, 3].map((k) => new Uint32Array(buffer, scratch + k * words * 4, words));
  const element = structuringElement(radius, axes.length === 2, mirrored);
  packMask(image, shape, before);
  first.set(before);
  const dilated = (source: Uint32Array, target: Uint32Array): Uint32Array => {
    dilate(source, target, spread, shape, element);
    return target;
  };
  const eroded = (source: Uint32Array, target: Uint32Array): Uint32Array => {
    invertMask(source, shape);
    dilate(source, target, spread, shape, element);
    invertMask(target, shape);
    return target;
  };
  const made = {
    dilation: () => dilated(first, second),
    erosion: () => eroded(first, second),
    closing: () => eroded(dilated(first, second), first),
    opening: () => dilated(eroded(first, second), first),
  };
  return { before, after: made[operator]() };
}
