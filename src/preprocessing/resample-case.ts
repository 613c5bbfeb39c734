import { type Triple, transpose, triple } from '../common/geometry.ts';
import type { CroppedCase } from '../raw/read-case.ts';
import { gridShape, type StoreOptions, targetOf } from './grid.ts';
import { resampleImage, separateAxis } from './resampling/resample-image.ts';
import { resampleLabels } from './resampling/resample-labels.ts';
import { transposeVolume } from './transpose.ts';

const SAME_ORDER: Triple = [0, 1, 2];

/** In place: brings the axes of a case, and everything said about them, into the order of the plans. */
export function transposeCase(volumes: CroppedCase, forward: Triple): CroppedCase {
  const { shape, channels, cropBox } = volumes;
  for (const [i, channel] of channels.entries()) channels[i] = transposeVolume(channel, shape, forward);
  volumes.segmentation = transposeVolume(volumes.segmentation, shape, forward);
  volumes.shape = transpose(shape, forward);
  volumes.spacing = transpose(volumes.spacing, forward);
  volumes.shapeBeforeCrop = transpose(volumes.shapeBeforeCrop, forward);
  volumes.cropBox = { lower: transpose(cropBox.lower, forward), upper: transpose(cropBox.upper, forward) };
  return volumes;
}

/** In place: resamples all channels, one after the other, and the labels to a configuration's spacing. */
export function resampleCase(volumes: CroppedCase, spacing: readonly number[], { data, segmentation }: StoreOptions['resampling']): void {
  const own = volumes.spacing;
  const target = targetOf(spacing, own);
  const shape = gridShape({ transpose: SAME_ORDER, spacing: target }, volumes.shape, own);
  const image = {
    order: data.order as 0 | 1 | 3,
    orderZ: data.order_z as 0 | 1 | 3,
    separate: separateAxis(own, target, data.force_separate_z),
  };
  for (const [i, channel] of volumes.channels.entries()) volumes.channels[i] = resampleImage(channel, volumes.shape, shape, image);
  volumes.segmentation = resampleLabels(volumes.segmentation, volumes.shape, shape, {
    order: segmentation.order as 0 | 1,
    separate: separateAxis(own, target, segmentation.force_separate_z),
  });
  volumes.shape = shape;
  volumes.spacing = triple((axis) => target[axis]);
}
