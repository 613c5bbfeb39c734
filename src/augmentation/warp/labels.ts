import { Corners, nearest } from './corners.ts';
import { cropPatch } from './crop.ts';
import { foldOf } from './fold.ts';
import { gridOf } from './grid.ts';
import type { LabelSampling, Placement } from './placement.ts';
import { roundingsOf } from './roundings.ts';
import { Vote } from './vote.ts';

/**
 * Labels, int16 of shape `placement.source`, sampled into `out`, of shape `placement.patch` (docs/nnunet.md#labels; see `Vote`). With
 * `axes` [1, 2] every slice is a map of its own, with its own set of labels.
 */
export function warpLabels(labels: Int16Array, placement: Placement, sampling: LabelSampling, out: Int16Array): void {
  const { interpolation = 'linear', padding = 'constant', value = -1 } = sampling;
  if (!placement.matrix && !placement.offsets) {
    cropPatch(labels, placement, padding, value, out);
    return;
  }
  const { source, patch, axes, alignCorners = false } = placement;
  const planar = axes.length === 2;
  const roundings = roundingsOf(placement);
  const grid = gridOf(placement);
  const fold = foldOf(padding, alignCorners, roundings);
  const corners = new Corners(source, planar, roundings !== null, fold);
  const around = padding === 'constant' ? value : 0;
  const vote = new Vote(labels, corners, roundings, fold === null && grid.reachesOutside() ? around : null);
  const slice = source[1] * source[2];
  const [at0, at1, at2] = grid.at;
  let x = 0;
  const near = (): number => {
    const from = nearest(source, fold, planar, at0[x], at1[x], at2[x]);
    return from < 0 ? around : labels[from];
  };
  if (!planar) vote.open(0, labels.length);
  let to = 0;
  for (let z = 0; z < patch[0]; z++) {
    for (let y = 0; y < patch[1]; y++) {
      grid.row(z, y);
      if (planar && y === 0) vote.open(at0[0] * slice, (at0[0] + 1) * slice);
      for (x = 0; x < patch[2]; x++, to++) {
        if (interpolation === 'nearest') {
          out[to] = near();
        } else {
          corners.find(at0[x], at1[x], at2[x]);
          out[to] = vote.winner(near);
        }
      }
    }
  }
}
