import { type Box, type Triple, voxels } from '../common/geometry.ts';
import type { IntensityProperties } from '../plans/normalisation.ts';
import { forEachRun } from '../raw/label-runs.ts';
import { ForegroundDraws } from './foreground-draws.ts';
import { type Histogram, histogramOf, histogramOfTable, intensityProperties, mergeHistograms, placesOf } from './intensity.ts';
import { median } from './statistics.ts';

/** What planning needs to know of one case. */
export interface CaseFingerprint {
  spacing: Triple;
  shapeAfterCrop: Triple;
  /** Where the nonzero region lies in the raw volume, readers' axis order. */
  cropBox: Box;
  /** Voxels after cropping divided by voxels before. */
  relativeSizeAfterCrop: number;
  /** Per channel: intensities of foreground voxels, drawn with replacement; empty where there are none. */
  foreground: Histogram[];
}

/** What planning needs to know of a data set: the contents of nnU-Net's `dataset_fingerprint.json`. */
export interface DatasetFingerprint {
  /** Millimetres, one per case, readers' axis order. */
  spacings: Triple[];
  shapes_after_crop: Triple[];
  /** By channel number. Empty for a data set without any foreground voxel. */
  foreground_intensity_properties_per_channel: Record<string, IntensityProperties>;
  median_relative_size_after_cropping: number;
}

/** A case as the fingerprint sees it: cropped to its nonzero region, not yet normalised. */
export interface CroppedVolumes {
  channels: readonly Float32Array[];
  segmentation: Int8Array | Int16Array;
  shape: Triple;
  shapeBeforeCrop: Triple;
  cropBox: Box;
  spacing: Triple;
}

/** nnU-Net draws this many foreground intensities over all cases (`fingerprint_extractor.py` writes it 10e7). */
const INTENSITY_SAMPLES = 10e7;
/** Its seed, fresh for every case. */
const SEED = 1234;

export function samplesPerCase(cases: number): number {
  return Math.floor(INTENSITY_SAMPLES / cases);
}

/** `samples` foreground intensities are drawn of each channel. */
export function fingerprintCase(cropped: CroppedVolumes, samples: number): CaseFingerprint {
  return {
    spacing: cropped.spacing,
    shapeAfterCrop: cropped.shape,
    cropBox: cropped.cropBox,
    relativeSizeAfterCrop: voxels(cropped.shape) / voxels(cropped.shapeBeforeCrop),
    foreground: sampleForeground(cropped.channels, cropped.segmentation, samples),
  };
}

/** Draws `samples` foreground intensities (label above 0, the ignore label too) of every channel, the same ones as nnU-Net. */
export function sampleForeground(channels: readonly Float32Array[], segmentation: Int8Array | Int16Array, samples: number): Histogram[] {
  let count = 0;
  forEachRun(segmentation, 0, segmentation.length, (label, start, end) => {
    if (label > 0) count += end - start;
  });
  if (count === 0) return channels.map(() => histogramOf(new Float32Array(0)));
  const draws = new ForegroundDraws(SEED, count);
  const intensities = new Float32Array(count);
  return channels.map((channel) => {
    let used = 0;
    forEachRun(segmentation, 0, segmentation.length, (label, start, end) => {
      if (label > 0) for (let i = start; i < end; i++) intensities[used++] = channel[i];
    });
    const whole = placesOf(intensities);
    const table = new Uint32Array(whole?.size ?? count);
    draws.count(samples, table, whole?.places);
    return whole === null ? histogramOf(intensities, table) : histogramOfTable({ low: whole.low, table });
  });
}

/** Puts the fingerprints of all cases, in the order of their ids, together. Pure. */
export function summariseFingerprints(cases: readonly CaseFingerprint[]): DatasetFingerprint {
  const channels = cases[0].foreground.length;
  const properties = Array.from({ length: channels }, (_, channel) =>
    intensityProperties(mergeHistograms(cases.map(({ foreground }) => foreground[channel]))),
  );
  return {
    spacings: cases.map(({ spacing }) => spacing),
    shapes_after_crop: cases.map(({ shapeAfterCrop }) => shapeAfterCrop),
    foreground_intensity_properties_per_channel: Object.fromEntries(
      properties.flatMap((found, channel) => (found === null ? [] : [[String(channel), found]])),
    ),
    median_relative_size_after_cropping: median(cases.map(({ relativeSizeAfterCrop }) => relativeSizeAfterCrop)),
  };
}
