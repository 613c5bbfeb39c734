import { AXES, type Triple, triple, voxels } from '../../../../common/geometry.ts';
import type { OptionTable } from '../../../../common/options.ts';
import { drawChannels } from '../../../ranges.ts';
import { probability, wholeRange } from '../../../step-options.ts';
import type { PatchContext, Sample, StepOf, Transform, Workspace } from '../../../transform.ts';
import { MedianTile } from './median-tile.ts';

const OPTIONS = {
  /** How often a channel is filtered. Default 0.5. */
  channelProbability: probability(0.5, 'how often a channel is filtered'),
  // 40 cubed is the largest window whose counts fit 16 bits.
  /** Edge of the cube in voxels, drawn for each channel, both ends included. From 1 to 40. Default [2, 7]. */
  size: wholeRange([2, 7], { from: 1, to: 40, help: 'edge of the cube in voxels, drawn for each channel' }),
} as const satisfies OptionTable;

/**
 * Replaces each voxel by the median of a cube around it, or a square in 2D (nnU-Net's DA5: batchgeneratorsv2's
 * `MedianFilterTransform`, which is scipy's `median_filter`). At the border the image is continued as its mirror image, the edge voxel
 * twice. An even size reaches one voxel farther down than up, and of the two middle values of an even number takes the upper.
 */
export interface MedianStep extends StepOf<'median', typeof OPTIONS> {}

export interface MedianParameters {
  /** The size for each channel. */
  sizes: (number | null)[];
}

/** Planes and rows filtered at a time: so few that what is counted stays in a processor's cache. */
const TILE = 16;

export const median: Transform<typeof OPTIONS, MedianParameters> = {
  purpose: 18,
  options: OPTIONS,
  bearsMirroring: true,

  draw({ channelProbability, size }, { channels }, draws) {
    const [low, high = low] = [size].flat();
    const sizes = drawChannels(draws, channels, channelProbability, () => draws.between(low, high));
    return sizes && { sizes };
  },

  apply(sample, { sizes }, _step, workspace) {
    for (const [channel, size] of sizes.entries()) if (size !== null) filter(sample, channel, size, workspace);
  },

  scratchBytes({ size }, context) {
    const window = windowShape(context, Math.max(...[size].flat()));
    return voxels(context.shape) * 4 + MedianTile.bytes(tileShape(context.shape, window));
  },
};

function windowShape({ axes }: PatchContext, size: number): Triple {
  return triple((axis) => (axes.includes(axis) ? size : 1));
}

/** The largest part that is filtered at a time, with what its windows reach. */
function tileShape(shape: Triple, window: Triple): Triple {
  return [Math.min(shape[0], TILE) + window[0] - 1, Math.min(shape[1], TILE) + window[1] - 1, shape[2] + window[2] - 1];
}

function filter(sample: Sample, channel: number, size: number, { buffer, scratch }: Workspace): void {
  const { shape, mirrored } = sample;
  const [depth, height, width] = shape;
  const count = voxels(shape);
  const image = new Float32Array(buffer, sample.data + channel * count * 4, count);
  const before = new Float32Array(buffer, scratch, count);
  before.set(image);
  const window = windowShape(sample, size);
  const tile = new MedianTile(tileShape(shape, window), window, buffer, scratch + count * 4);
  const strides: Triple = [height * width, width, 1];
  const [planes, rows, columns] = AXES.map((axis) => {
    const down = Math.floor(window[axis] / 2);
    return continued(shape[axis], mirrored.includes(axis) ? window[axis] - 1 - down : down, window[axis], strides[axis]);
  });
  for (let z = 0; z < depth; z += TILE) {
    for (let y = 0; y < height; y += TILE) {
      const farZ = Math.min(z + TILE, depth);
      const farY = Math.min(y + TILE, height);
      tile.read(before, planes.subarray(z, farZ + window[0] - 1), rows.subarray(y, farY + window[1] - 1), columns);
      for (let i = z; i < farZ; i++) {
        for (let j = y; j < farY; j++) {
          const row = (i * height + j) * width;
          tile.filterRow(i - z, j - y, image.subarray(row, row + width));
        }
      }
    }
  }
}

/** Positions -down … count + size - 2 - down of an axis that goes on as its own mirror image, as offsets of voxels. */
function continued(count: number, down: number, size: number, stride: number): Int32Array {
  return Int32Array.from({ length: count + size - 1 }, (_, i) => {
    const position = (((i - down) % (2 * count)) + 2 * count) % (2 * count);
    return (position < count ? position : 2 * count - 1 - position) * stride;
  });
}
