import { boxShape, type Triple, transpose, voxels } from '../../common/geometry.ts';
import { resampleImage, separateAxis } from '../../preprocessing/resampling/resample-image.ts';
import { transposeVolume } from '../../preprocessing/transpose.ts';
import type { CroppedCase } from '../../raw/read-case.ts';

/** How a case lay before it was resampled, all in the order of the plans. */
export interface Origin {
  spacing: Triple;
  shapeBeforeCrop: Triple;
  cropBox: CroppedCase['cropBox'];
  /** The plans' order of axes. */
  transpose: Triple;
}

/**
 * Labels in the raw image's grid from logits in the plans' grid: resampled (linear, as nnU-Net resamples what networks give), the
 * largest class of each voxel or the last region that holds it, put back where it was cropped, axes put back in order.
 * @param logits one array an output, of `shape`
 * @param regions the label of each output, where those are regions: a voxel is in one if its probability is above one half
 */
export function labelsOf(
  logits: readonly Float32Array[],
  shape: Triple,
  spacing: Triple,
  origin: Origin,
  regions: readonly number[] | null = null,
): Int16Array {
  const cropped = boxShape(origin.cropBox);
  const options = { order: 1 as const, orderZ: 0 as const, separate: separateAxis(spacing, origin.spacing) };
  const labels = new Int16Array(voxels(cropped));
  // A logit of 0 is a probability of one half.
  const most = new Float32Array(labels.length).fill(regions === null ? Number.NEGATIVE_INFINITY : 0);
  for (const [output, map] of logits.entries()) {
    const resampled = resampleImage(map, shape, cropped, options);
    for (let i = 0; i < labels.length; i++)
      if (resampled[i] > most[i]) {
        labels[i] = regions === null ? output : regions[output];
        if (regions === null) most[i] = resampled[i];
      }
  }
  const whole = new Int16Array(voxels(origin.shapeBeforeCrop));
  const [, height, width] = origin.shapeBeforeCrop;
  const { lower } = origin.cropBox;
  for (let z = 0; z < cropped[0]; z++)
    for (let y = 0; y < cropped[1]; y++) {
      const row = (z * cropped[1] + y) * cropped[2];
      whole.set(labels.subarray(row, row + cropped[2]), ((lower[0] + z) * height + lower[1] + y) * width + lower[2]);
    }
  return transposeVolume(whole, origin.shapeBeforeCrop, backward(origin.transpose));
}

/** The order of axes that undoes another. */
export function backward(forward: Triple): Triple {
  return transpose([0, 1, 2], [forward.indexOf(0), forward.indexOf(1), forward.indexOf(2)] as Triple);
}
