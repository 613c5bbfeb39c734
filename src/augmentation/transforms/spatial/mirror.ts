import type { Axis } from '../../../common/geometry.ts';
import { voxels } from '../../../common/geometry.ts';
import type { OptionTable } from '../../../common/options.ts';
import { axes } from '../../step-options.ts';
import type { StepOf, Transform } from '../../transform.ts';

const OPTIONS = {
  /** Which axes may be mirrored; those the patch does not have are left out. Default: all it has. */
  axes: axes([0, 1, 2], 'which axes may be mirrored, of those the patch has'),
} as const satisfies OptionTable;

/** Mirroring along axes, each drawn on its own with one half. */
export interface MirrorStep extends StepOf<'mirror', typeof OPTIONS> {}

export interface MirrorParameters {
  axes: Axis[];
}

/** Where nothing before it minds, a patch is mirrored while it is read, and this has nothing left to do (see `PatchMaker`). */
export const mirror: Transform<typeof OPTIONS, MirrorParameters> = {
  purpose: 1,
  options: OPTIONS,

  draw({ axes }, { axes: all }, draws) {
    const chosen = axes.filter((axis) => all.includes(axis) && draws.uniform() < 0.5);
    return chosen.length > 0 ? { axes: chosen } : null;
  },

  apply(sample, { axes }, _, { buffer }) {
    const count = voxels(sample.shape);
    for (let channel = 0; channel < sample.channels; channel++)
      turn(new Float32Array(buffer, sample.data + 4 * channel * count, count), sample.shape, axes);
    for (const labels of [sample.target, sample.previous]) {
      if (labels !== undefined) turn(new Int16Array(buffer, labels, count), sample.shape, axes);
    }
  },
};

/** Mirrors [z, y, x] in place: each voxel changes places with the one at the other end. */
function turn(values: Float32Array | Int16Array, [depth, height, width]: readonly number[], axes: readonly Axis[]): void {
  const [z, y, x] = [axes.includes(0), axes.includes(1), axes.includes(2)];
  for (let i = 0; i < depth; i++) {
    const plane = z ? depth - 1 - i : i;
    for (let j = 0; j < height; j++) {
      const row = y ? height - 1 - j : j;
      const here = (i * height + j) * width;
      const there = (plane * height + row) * width;
      if (there < here) continue;
      const last = there === here ? Math.floor(width / 2) : width;
      if (there === here && !x) continue;
      for (let k = 0; k < last; k++) {
        const other = there + (x ? width - 1 - k : k);
        const value = values[here + k];
        values[here + k] = values[other];
        values[other] = value;
      }
    }
  }
}
