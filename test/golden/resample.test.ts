import { describe, expect, it } from 'vitest';
import type { Triple } from '../../src/common/geometry.ts';
import { resampledShape } from '../../src/planning/target-spacing.ts';
import { resampleImage, separateAxis } from '../../src/preprocessing/resampling/resample-image.ts';
import { resampleLabels } from '../../src/preprocessing/resampling/resample-labels.ts';
import { expectClose, type GoldenCase, has, manifest, readArray, readJson } from './golden.ts';

/** The cases of the preprocess manifest that this suite checks; the one beside it has the others. */
const RESAMPLING = 'resample_data_or_seg_to_shape';

/** The channels of a recorded array, one after the other. */
function channelsOf(file: string): { channels: Float32Array[] | Int16Array[]; shape: Triple } {
  const { shape, data } = readArray(`preprocess/${file}`);
  if (!(data instanceof Float32Array || data instanceof Int16Array)) throw new TypeError(`${file} is neither float32 nor int16`);
  const size = data.length / shape[0];
  const channels = Array.from({ length: shape[0] }, (_, i) => data.subarray(i * size, (i + 1) * size));
  return { channels: channels as Float32Array[] | Int16Array[], shape: shape.slice(1) as Triple };
}

function check({ params, inputs, outputs, tolerance }: GoldenCase): void {
  const target: Triple = params.new_shape;
  const separate = separateAxis(params.current_spacing, params.new_spacing);
  expect(separate).toBe(params.axis);
  for (const [key, file] of Object.entries(outputs)) {
    const [, input, order] = /^(image|segmentation)_order(\d)$/.exec(key) ?? expect.fail(`the output ${key} is not checked`);
    const { channels, shape } = channelsOf(inputs[input]);
    const actual = channels.map((channel) =>
      channel instanceof Float32Array
        ? resampleImage(channel, shape, target, { order: Number(order) as 0 | 1 | 3, separate, orderZ: params.order_z })
        : resampleLabels(channel, shape, target, { order: Number(order) as 0 | 1, separate }),
    );
    const expected = channelsOf(file);
    expect(expected.shape).toEqual(target);
    expect(actual.length).toBe(expected.channels.length);
    for (const [i, channel] of expected.channels.entries()) expectClose(actual[i], channel, tolerance[key]);
  }
}

describe.skipIf(!has('preprocess/manifest.json'))('golden resampling', () => {
  const cases = has('preprocess/manifest.json') ? manifest('preprocess').filter(({ transform }) => transform === RESAMPLING) : [];
  for (const golden of cases) it(golden.name, () => check(golden));
});

describe.skipIf(!has('preprocess/shapes.json'))('golden shapes', () => {
  const golden = has('preprocess/shapes.json') ? readJson('preprocess/shapes.json') : {};
  for (const { current_spacing, new_spacing, axis } of golden.determine_do_sep_z_and_axis ?? []) {
    it(`from ${current_spacing} to ${new_spacing} the separate axis is ${axis}`, () => {
      expect(separateAxis(current_spacing, new_spacing)).toBe(axis);
    });
  }
  for (const { shape, spacing, new_spacing, new_shape } of golden.compute_new_shape ?? []) {
    it(`${shape} of ${spacing} becomes ${new_shape} of ${new_spacing}`, () => {
      expect(resampledShape(shape, spacing, new_spacing)).toEqual(new_shape);
    });
  }
});
