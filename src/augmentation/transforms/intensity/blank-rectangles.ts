import { type Box, boxShape, type Triple, voxels } from '../../../common/geometry.ts';
import type { OptionTable } from '../../../common/options.ts';
import type { Draws } from '../../../common/random.ts';
import { drawChannels, type Range } from '../../ranges.ts';
import { probability, range, wholeRange } from '../../step-options.ts';
import type { PatchContext, Sample, StepOf, Transform } from '../../transform.ts';

const OPTIONS = {
  /** How often a channel gets boxes. Default 0.5. */
  channelProbability: probability(0.5, 'how often a channel gets boxes'),
  /** How many boxes a channel gets, both ends included. Default [1, 4]. */
  count: wholeRange([1, 4], { from: 1, help: 'how many boxes a channel gets' }),
  /**
   * How long their edges are, as fractions of the patch's. Along an axis of n voxels a whole number, drawn uniformly from the lower
   * fraction of n rounded down, at least 1, to the last one below the upper fraction of n rounded down. Default [1 / 10, 1 / 3].
   */
  size: range([1 / 10, 1 / 3], { from: 0, to: 1, help: "how long their edges are, as fractions of the patch's" }),
} as const satisfies OptionTable;

/** Fills boxes with the mean of the voxels in them (nnU-Net's DA5: batchgeneratorsv2's `BlankRectangleTransform`). */
export interface BlankRectanglesStep extends StepOf<'blankRectangles', typeof OPTIONS> {}

export interface BlankRectanglesParameters {
  /** The boxes of each channel, in the order in which they are filled; they may overlap. */
  boxes: (Box[] | null)[];
}

export const blankRectangles: Transform<typeof OPTIONS, BlankRectanglesParameters> = {
  purpose: 20,
  options: OPTIONS,
  bearsMirroring: true,

  draw({ channelProbability, count, size }, context, draws) {
    const [fewest, most = fewest] = [count].flat();
    const boxes = drawChannels(draws, context.channels, channelProbability, () =>
      Array.from({ length: draws.between(fewest, most) }, () => drawBox(draws, context, size)),
    );
    return boxes && { boxes };
  },

  apply(sample, { boxes }, _step, { buffer }) {
    const count = voxels(sample.shape);
    for (const [channel, drawn] of boxes.entries()) {
      if (drawn === null) continue;
      const image = new Float32Array(buffer, sample.data + channel * count * 4, count);
      for (const box of drawn) blank(image, sample, box);
    }
  },
};

function drawBox(draws: Draws, { shape, axes }: PatchContext, size: Range): Box {
  const [smallest, largest] = typeof size === 'number' ? [size, size] : size;
  const lower: Triple = [0, 0, 0];
  const upper: Triple = [...shape];
  for (const axis of axes) {
    const low = Math.max(1, Math.floor(shape[axis] * smallest));
    const edge = draws.between(low, Math.max(low, Math.floor(shape[axis] * largest) - 1));
    lower[axis] = draws.between(0, shape[axis] - edge);
    upper[axis] = lower[axis] + edge;
  }
  return { lower, upper };
}

function blank(image: Float32Array, { shape }: Sample, { lower, upper }: Box): void {
  let sum = 0;
  const rows = (visit: (from: number, to: number) => void): void => {
    for (let z = lower[0]; z < upper[0]; z++) {
      for (let y = lower[1]; y < upper[1]; y++) {
        const row = (z * shape[1] + y) * shape[2];
        visit(row + lower[2], row + upper[2]);
      }
    }
  };
  rows((from, to) => {
    for (let i = from; i < to; i++) sum += image[i];
  });
  const mean = sum / voxels(boxShape({ lower, upper }));
  rows((from, to) => image.fill(mean, from, to));
}
