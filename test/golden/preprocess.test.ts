import { describe, expect, it } from 'vitest';
import { type Triple, voxels } from '../../src/common/geometry.ts';
import { histogramOf, intensityProperties } from '../../src/planning/intensity.ts';
import type { IntensityProperties, Normalisation } from '../../src/plans/normalisation.ts';
import { normalise } from '../../src/preprocessing/normalise.ts';
import { cropVolume, markLabelsOutside, nonzeroRegion } from '../../src/raw/crop.ts';
import { sampleClassLocations } from '../../src/store/class-locations.ts';
import { expectClose, type GoldenCase, has, manifest, readArray, readJson } from './golden.ts';

const array = (file: string) => readArray(`preprocess/${file}`);

const SCHEMES: Record<string, (params: GoldenCase['params']) => Normalisation> = {
  CTNormalization: (params) => ({ scheme: 'ct', ...params }),
  ZScoreNormalization: (params) => ({ scheme: 'zscore', masked: params.use_mask_for_norm }),
  RescaleTo01Normalization: () => ({ scheme: 'rescale_to_0_1' }),
  RGBTo01Normalization: () => ({ scheme: 'rgb_to_0_1' }),
};

function checkNormalisation(golden: GoldenCase): void {
  const image = array(golden.inputs.image);
  const actual = Float32Array.from(image.data);
  const channels = image.shape.length === 4 ? image.shape[0] : 1;
  const size = actual.length / channels;
  const mask = golden.inputs.segmentation ? Int16Array.from(array(golden.inputs.segmentation).data) : new Int16Array(size);
  for (let channel = 0; channel < channels; channel++) {
    normalise(actual.subarray(channel * size, (channel + 1) * size), mask, SCHEMES[golden.transform](golden.params));
  }
  expectClose(actual, array(golden.outputs.image).data, golden.tolerance.image);
}

function channelsOf({ shape, data }: ReturnType<typeof readArray>): Float32Array[] {
  const size = data.length / shape[0];
  return Array.from({ length: shape[0] }, (_, channel) => Float32Array.from(data.subarray(channel * size, (channel + 1) * size)));
}

function checkCrop(golden: GoldenCase): void {
  const image = array(golden.inputs.image);
  const shape = image.shape.slice(1) as Triple;
  const channels = channelsOf(image);
  const { marks: found, box } = nonzeroRegion(channels, shape);
  const marks = found ?? new Uint8Array(voxels(shape)).fill(1);
  expect(box.lower.map((low, axis) => [low, box.upper[axis]])).toEqual(golden.params.bbox);
  const actual: Record<string, ArrayLike<number>> = { mask_full: marks.map((mark) => (mark === 1 ? 1 : 0)) };
  const cropped = channels.map((channel) => cropVolume(channel, shape, box));
  actual.image = Float32Array.from(cropped.flatMap((channel) => [...channel]));
  const labels = golden.inputs.segmentation ? Int16Array.from(array(golden.inputs.segmentation).data) : new Int16Array(marks.length);
  const segmentation = cropVolume(labels, shape, box);
  markLabelsOutside(segmentation, cropVolume(marks, shape, box));
  actual.segmentation = segmentation;
  for (const [key, file] of Object.entries(golden.outputs)) expectClose(actual[key], array(file).data, golden.tolerance[key]);
}

/** The recorded statistics are over every foreground voxel. */
function checkIntensities(golden: GoldenCase): void {
  const labels = array(golden.inputs.segmentation).data;
  const { atol, rtol } = golden.tolerance.statistics as { atol: number; rtol: number };
  channelsOf(array(golden.inputs.image)).forEach((channel, i) => {
    const found = intensityProperties(histogramOf(channel.filter((_, at) => labels[at] > 0))) as unknown as Record<string, number>;
    for (const [key, expected] of Object.entries(golden.params.per_channel[i] as IntensityProperties)) {
      expect(Math.abs(found[key] - expected), `${key} of channel ${i}`).toBeLessThanOrEqual(atol + rtol * Math.abs(expected));
    }
  });
}

describe.skipIf(!has('preprocess/manifest.json'))('golden preprocess', () => {
  // Cases of resampling have a suite of their own.
  const cases = has('preprocess/manifest.json') ? manifest('preprocess') : [];
  for (const golden of cases.filter(({ transform }) => transform !== 'resample_data_or_seg_to_shape')) {
    it(golden.name, (context) => {
      if (golden.transform in SCHEMES) checkNormalisation(golden);
      else if (golden.transform === 'crop_to_nonzero') checkCrop(golden);
      else if (golden.transform === 'collect_foreground_intensities') checkIntensities(golden);
      else context.skip(`${golden.transform} is not built yet`);
    });
  }
});

describe.skipIf(!has('preprocess/class_locations.json'))('golden class locations', () => {
  for (const golden of has('preprocess/class_locations.json') ? readJson('preprocess/class_locations.json').cases : []) {
    it(golden.name, () => {
      const labels = Int16Array.from(array(golden.segmentation).data);
      const classes = golden.classes.map((entry: number | number[]) => ({ name: String(entry), labels: [entry].flat() }));
      const key = (entry: number[]): string => (entry.length === 1 ? `(${entry[0]},)` : `(${entry.join(', ')})`);
      sampleClassLocations(labels, classes).forEach(({ voxels, locations, labels: wanted }, i) => {
        const name = Array.isArray(golden.classes[i]) ? key(wanted) : String(wanted[0]);
        expect(voxels, name).toBe(golden.voxels[name]);
        expect(locations.length, name).toBe(golden.counts[name]);
        expect(new Set(locations).size, name).toBe(locations.length);
        expect(
          locations.every((location) => wanted.includes(labels[location])),
          name,
        ).toBe(true);
      });
    });
  }
});
