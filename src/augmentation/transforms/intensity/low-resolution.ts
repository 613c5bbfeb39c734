import { type Triple, triple, voxels } from '../../../common/geometry.ts';
import type { OptionTable } from '../../../common/options.ts';
import { roundHalfEven } from '../../../common/round.ts';
import { lowResolutionScratchBytes } from '../../../kernels/intensity.ts';
import { nearestExact } from '../../nearest-exact.ts';
import { drawChannels, drawRange } from '../../ranges.ts';
import { axes, probability, range } from '../../step-options.ts';
import type { StepOf, Transform } from '../../transform.ts';

const OPTIONS = {
  /** What part of its voxels an axis keeps in between, the same for all axes of a channel. Default [0.5, 1]. */
  scale: range([0.5, 1], { from: 0, to: 1, help: 'what part of its voxels an axis keeps in between, the same for all axes of a channel' }),
  /** How often a channel is changed. Default 0.5. */
  channelProbability: probability(0.5, 'how often a channel is changed'),
  /** Axes that keep all their voxels. nnU-Net: [0] where patches are augmented slice by slice. Default none. */
  ignoreAxes: axes([], 'axes that keep all their voxels'),
} as const satisfies OptionTable;

/**
 * Shrinks channels, taking the nearest voxels, and enlarges them again, interpolating linearly (batchgeneratorsv2's
 * `SimulateLowResolutionTransform`; docs/nnunet.md#intensity).
 */
export interface LowResolutionStep extends StepOf<'lowResolution', typeof OPTIONS> {}

export interface LowResolutionParameters {
  /** For each channel one scale for each axis of the patch. */
  scales: (number[] | null)[];
}

export const lowResolution: Transform<typeof OPTIONS, LowResolutionParameters> = {
  purpose: 6,
  options: OPTIONS,
  bearsMirroring: true,

  draw({ scale, channelProbability, ignoreAxes }, { channels, axes }, draws) {
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
