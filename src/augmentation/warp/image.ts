import { Corners, nearest } from './corners.ts';
import { cropPatch } from './crop.ts';
import { foldOf } from './fold.ts';
import { gridOf } from './grid.ts';
import type { ImageSampling, Placement } from './placement.ts';
import { addOf, roundingsOf } from './roundings.ts';

/**
 * One channel of an image, float32 of shape `placement.source`, sampled into `out`, of shape `placement.patch`
 * (docs/nnunet.md#spatial). Every neighbour inside the source counts, also with weight 0: NaN spreads as it does in torch.
 */
export function warpImage(image: Float32Array, placement: Placement, sampling: ImageSampling, out: Float32Array): void {
  const { interpolation = 'linear', padding = 'zeros', value = 0 } = sampling;
  if (!placement.matrix && !placement.offsets) {
    cropPatch(image, placement, padding, value, out);
    return;
  }
  const { source, patch, axes, alignCorners = false } = placement;
  const planar = axes.length === 2;
  const roundings = roundingsOf(placement);
  const grid = gridOf(placement);
  const fold = foldOf(padding, alignCorners, roundings);
  const corners = new Corners(source, planar, roundings !== null, fold);
  const add = addOf(roundings);
  // Around a shifted image are zeros, as around any other; nnU-Net pads with a value in this way.
  const round = roundings === null ? Number : Math.fround;
  const shift = padding === 'constant' ? round(value) : 0;
  const [at0, at1, at2] = grid.at;
  let to = 0;
  for (let z = 0; z < patch[0]; z++)
    for (let y = 0; y < patch[1]; y++) {
      grid.row(z, y);
      for (let x = 0; x < patch[2]; x++, to++) {
        if (interpolation === 'nearest') {
          const from = nearest(source, fold, planar, at0[x], at1[x], at2[x]);
          out[to] = from < 0 ? shift : round(image[from] - shift) + shift;
        } else {
          corners.find(at0[x], at1[x], at2[x]);
          let sum = 0;
          for (let i = 0; i < corners.count; i++) sum = add(sum, round(image[corners.index[i]] - shift), corners.weight[i]);
          out[to] = sum + shift;
        }
      }
    }
}
