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

/** `samples` foreground intensities are drawn of each channel that is `wanted`. */
export function fingerprintCase(cropped: CroppedVolumes, samples: number, wanted: readonly boolean[]): CaseFingerprint {
  return {
    spacing: cropped.spacing,
    shapeAfterCrop: cropped.shape,
    relativeSizeAfterCrop: voxels(cropped.shape) / voxels(cropped.shapeBeforeCrop),
    foreground: wanted.includes(true) ? sampleForeground(cropped.channels, cropped.segmentation, samples, wanted) : [],
  };
}

/** Draws `samples` foreground intensities (label above 0) of every channel, the same ones as nnU-Net; keeps those of wanted channels. */
export function sampleForeground(
  channels: readonly Float32Array[],
  segmentation: Int8Array | Int16Array,
  samples: number,
  wanted: readonly boolean[] = channels.map(() => true),
): Float32Array[] {
  let count = 0;
  for (let i = 0; i < segmentation.length; i++) if (segmentation[i] > 0) count++;
  if (count === 0) return channels.map(() => new Float32Array(0));
  const indices = new Uint32Array(count);
  for (let i = 0, used = 0; i < segmentation.length; i++) if (segmentation[i] > 0) indices[used++] = i;
  const random = new NumpyRandom(SEED);
  return channels.map((channel, i) => {
    const drawn = new Float32Array(wanted[i] ? samples : 0);
    // Draws of a channel that nobody wants are made all the same: the next one's come after them.
    for (let at = 0; at < samples; at++) drawn[at] = channel[indices[random.below(count)]];
    return drawn;
  });
}
