import { OptionError } from '../../../common/errors.ts';
import { type Triple, triple, voxels } from '../../../common/geometry.ts';
import { roundHalfEven } from '../../../common/round.ts';
import { lowResolutionScratchBytes } from '../../../kernels/intensity.ts';
import { nearestExact } from '../../nearest-exact.ts';
import { checkProbability, checkRange, drawChannels, drawRange, type Range } from '../../ranges.ts';
import type { Axis, Step, Transform } from '../../transform.ts';
import { checkOptions } from '../check-options.ts';

/**
 * Shrinks channels, taking the nearest voxels, and enlarges them again, interpolating linearly (batchgeneratorsv2's
 * `SimulateLowResolutionTransform`; augmentation sheet, section 4).
 */
export interface LowResolutionStep extends Step {
  readonly transform: 'lowResolution';
  /** What part of its voxels an axis keeps in between, the same for all axes of a channel. Default [0.5, 1]. */
  readonly scale?: Range;
  /** How often a channel is changed. Default 0.5. */
  readonly channelProbability?: number;
  /** Axes that keep all their voxels. nnU-Net: [0] where patches are augmented slice by slice. Default none. */
  readonly ignoreAxes?: readonly Axis[];
}

export interface LowResolutionParameters {
  /** For each channel one scale for each axis of the patch. */
  scales: (number[] | null)[];
}

const SCALE: Range = [0.5, 1];

export const lowResolution: Transform<LowResolutionStep, LowResolutionParameters> = {
  stage: 6,

  check(step, path) {
    checkOptions(step, path, ['scale', 'channelProbability', 'ignoreAxes']);
    const { scale = SCALE, channelProbability = 0.5, ignoreAxes = [] } = step;
    checkRange(`${path}.scale`, scale, 0, 1);
    checkProbability(`${path}.channelProbability`, channelProbability);
    if (Array.isArray(ignoreAxes) && ignoreAxes.every((axis) => [0, 1, 2].includes(axis))) return;
    throw new OptionError(
      `${path}.ignoreAxes`,
      `${JSON.stringify(ignoreAxes)} is no list of axes`,
      'Give some of 0, 1 and 2, in array order: z, y, x',
    );
  },

  draw({ scale = SCALE, channelProbability = 0.5, ignoreAxes = [] }, { channels, axes }, draws) {
    const scales = drawChannels(draws, channels, channelProbability, () => {
      const drawn = drawRange(draws, scale);
      return axes.map((axis) => (ignoreAxes.includes(axis) ? 1 : drawn));
    });
    return scales && { scales };
  },

  apply({ data, shape, axes, mirrored }, { scales }, _step, { kernels, buffer, scratch }) {
    const count = voxels(shape);
    for (const [channel, drawn] of scales.entries()) {
      if (drawn === null) continue;
      const sizes = triple((axis) => (axes.includes(axis) ? smallSize(shape[axis], drawn[axes.indexOf(axis)]) : shape[axis]));
      if (sizes.every((size, axis) => size === shape[axis])) continue;
      let end = scratch;
      const tables = triple((axis) => {
        const pointer = end;
        end += tableBytes(shape[axis]);
        writeTable(buffer, pointer, shape[axis], sizes[axis], mirrored.includes(axis));
        return pointer;
      });
      kernels.lowResolution({ pointer: data + channel * count * 4, shape, tables, scratch: end });
    }
  },

  scratchBytes: (_step, { shape }) => sum(shape.map(tableBytes) as Triple) + lowResolutionScratchBytes(shape),
};

/** torch keeps scales in float32. An axis keeps one voxel at least, where nnU-Net would fail. */
function smallSize(size: number, scale: number): number {
  return Math.max(roundHalfEven(size * Math.fround(scale)), 1);
}

function tableBytes(size: number): number {
  return Math.ceil((size * 12) / 16) * 16;
}

function sum([a, b, c]: Triple): number {
  return a + b + c;
}

/**
 * The kernel's table of an axis of `size` voxels that has `small` in between. New voxel i is at y = (i + 1/2) small / size - 1/2 between
 * the small ones floor(y) and the next, and those are voxels themselves. In float32 as torch reckons.
 */
function writeTable(buffer: SharedArrayBuffer, pointer: number, size: number, small: number, mirrored: boolean): void {
  const low = new Int32Array(buffer, pointer, size);
  const high = new Int32Array(buffer, pointer + 4 * size, size);
  const weights = new Float32Array(buffer, pointer + 8 * size, size);
  const ratio = Math.fround(small / size);
  for (let i = 0; i < size; i++) {
    const y = Math.max(Math.fround(Math.fround(ratio * (i + 0.5)) - 0.5), 0);
    const below = Math.min(Math.floor(y), small - 1);
    const from = nearestExact(below, small, size);
    const to = nearestExact(Math.min(below + 1, small - 1), small, size);
    // A mirrored axis: the same from its other end.
    const at = mirrored ? size - 1 - i : i;
    low[at] = mirrored ? size - 1 - from : from;
    high[at] = mirrored ? size - 1 - to : to;
    weights[at] = y - below;
  }
}
