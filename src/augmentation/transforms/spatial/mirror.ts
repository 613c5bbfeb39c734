import { OptionError } from '../../../common/errors.ts';
import { voxels } from '../../../common/geometry.ts';
import type { Axis, Step, Transform } from '../../transform.ts';
import { checkOptions } from '../check-options.ts';

/** Mirroring along axes, each drawn on its own with one half. */
export interface MirrorStep extends Step {
  readonly transform: 'mirror';
  /** Which axes may be mirrored; those the patch does not have are left out. Default: all it has. */
  readonly axes?: readonly Axis[];
}

export interface MirrorParameters {
  axes: Axis[];
}

/** Where nothing before it minds, a patch is mirrored while it is read, and this has nothing left to do (see `PatchMaker`). */
export const mirror: Transform<MirrorStep, MirrorParameters> = {
  stage: 1,

  check(step, path) {
    checkOptions(step, path, ['axes']);
    const { axes = [] } = step;
    if (Array.isArray(axes) && axes.every((axis) => [0, 1, 2].includes(axis)) && new Set(axes).size === axes.length) return;
    throw new OptionError(`${path}.axes`, `${JSON.stringify(axes)} is no list of axes`, 'Give some of 0, 1 and 2, in array order: z, y, x');
  },

  draw(step, { axes: all }, draws) {
    const chosen = (step.axes ?? all).filter((axis) => all.includes(axis) && draws.uniform() < 0.5);
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
