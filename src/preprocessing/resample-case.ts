import { CaseError } from '../common/errors.ts';
import { show, type Triple, transpose, triple } from '../common/geometry.ts';
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

/**
 * In place: resamples all channels, one after the other, and the labels to a configuration's spacing.
 * @param path of the case's image, for messages
 * @throws CaseError if nothing would be left
 */
export function resampleCase(path: string, volumes: CroppedCase, spacing: readonly number[], resampling: StoreOptions['resampling']): void {
  naming(path, volumes.spacing, spacing, () => resample(volumes, spacing, resampling));
}

/** What planning, preprocessing and prediction alike say of a case that cannot be resampled. @throws CaseError */
export function naming<T>(path: string, own: Triple, planned: readonly number[], resampling: () => T): T {
  try {
    return resampling();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const action = `Check its spacing ${show(own)} and that of the plans ${show(targetOf(planned, own))}`;
    throw new CaseError(path, error.message, action, { cause: error });
  }
}

function resample(volumes: CroppedCase, spacing: readonly number[], { data, segmentation }: StoreOptions['resampling']): void {
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
