import { NumpyRandom } from '../dataset/numpy-random.ts';
import { type Triple, voxels } from '../geometry.ts';

/** What planning needs to know of one case. */
export interface CaseFingerprint {
  spacing: Triple;
  shapeAfterCrop: Triple;
  /** Voxels after cropping divided by voxels before. */
  relativeSizeAfterCrop: number;
  /** Per channel: intensities of foreground voxels, drawn with replacement; empty where none are needed or there are none. */
  foreground: Float32Array[];
}

/** A case as the fingerprint sees it: cropped to its nonzero region, not yet normalised. */
export interface CroppedVolumes {
  channels: readonly Float32Array[];
  segmentation: Int8Array | Int16Array;
  shape: Triple;
  shapeBeforeCrop: Triple;
  spacing: Triple;
}

/** nnU-Net draws this many foreground intensities over all cases (`fingerprint_extractor.py` writes it 10e7). */
const INTENSITY_SAMPLES = 10e7;
/** Its seed, fresh for every case. */
const SEED = 1234;

export function samplesPerCase(cases: number): number {
  return Math.floor(INTENSITY_SAMPLES / cases);
}

/** `samples` foreground intensities are drawn per channel; 0 leaves them out. */
export function fingerprintCase(cropped: CroppedVolumes, samples: number): CaseFingerprint {
  return {
    spacing: cropped.spacing,
    shapeAfterCrop: cropped.shape,
    relativeSizeAfterCrop: voxels(cropped.shape) / voxels(cropped.shapeBeforeCrop),
    foreground: samples > 0 ? sampleForeground(cropped.channels, cropped.segmentation, samples) : [],
  };
}

/** Draws `samples` foreground intensities (label above 0) of every channel, the same ones as nnU-Net. */
export function sampleForeground(channels: readonly Float32Array[], segmentation: Int8Array | Int16Array, samples: number): Float32Array[] {
  let count = 0;
  for (let i = 0; i < segmentation.length; i++) if (segmentation[i] > 0) count++;
  if (count === 0) return channels.map(() => new Float32Array(0));
  const indices = new Uint32Array(count);
  for (let i = 0, used = 0; i < segmentation.length; i++) if (segmentation[i] > 0) indices[used++] = i;
  const random = new NumpyRandom(SEED);
  return channels.map((channel) => {
    const drawn = new Float32Array(samples);
    for (let i = 0; i < samples; i++) drawn[i] = channel[indices[random.below(count)]];
    return drawn;
  });
}
