import { describe, expect, it } from 'vitest';
import type { Triple } from '../../src/common/geometry.ts';
import { makePatch } from '../fixtures/patch-maker.ts';
import { expectClose, type GoldenCase, has, manifest, readArray } from './golden.ts';

/** nnU-Net's default pipeline but for noise, whose field is random. */
function run({ params, inputs }: GoldenCase): ReturnType<typeof makePatch> {
  const image = readArray(`pipeline/${inputs.image}`);
  const labels = readArray(`pipeline/${inputs.segmentation}`);
  const flat = params.patch_size.length === 2;
  const spatial = image.shape.slice(1);
  const channels = Array.from({ length: image.shape[0] }, (_, channel) => channel);
  const steps = [
    { transform: 'spatial', dummy2d: params.dummy_2d },
    { transform: 'blur' },
    { transform: 'brightness' },
    { transform: 'contrast' },
    { transform: 'lowResolution' },
    { transform: 'gamma', invert: true },
    { transform: 'gamma' },
    { transform: 'mirror' },
    { transform: 'mask', channels },
    { transform: 'replaceLabel' },
  ];
  const axes = flat || params.dummy_2d ? 2 : 3;
  const drawn: Record<number, unknown> = { 9: {} };
  if (params.affine) drawn[0] = { angles: params.angles_rad ?? Array(axes).fill(0), scales: Array(axes).fill(params.scale ?? 1) };
  if (params.blur_sigmas_per_channel) drawn[1] = { sigmas: params.blur_sigmas_per_channel };
  if (params.brightness) drawn[2] = { factors: params.brightness };
  if (params.contrast) drawn[3] = { factors: params.contrast };
  if (params.lowres_scales_per_channel) drawn[4] = { scales: params.lowres_scales_per_channel };
  if (params.gamma_inverted) drawn[5] = { gammas: params.gamma_inverted };
  if (params.gamma) drawn[6] = { gammas: params.gamma };
  if (params.mirror_axes.length > 0) drawn[7] = { axes: params.mirror_axes.map((axis: number) => axis + (flat ? 1 : 0)) };
  if (params.mask_image_outside) drawn[8] = {};
  return makePatch({
    image: Float32Array.from(image.data),
    labels: Int16Array.from(labels.data),
    shape: (flat ? [1, ...spatial] : spatial) as Triple,
    patchSize: params.patch_size,
    steps,
    drawn,
    deepSupervision: params.ds_scales,
  });
}

describe.skipIf(!has('pipeline/manifest.json'))('golden pipeline', () => {
  for (const golden of has('pipeline/manifest.json') ? manifest('pipeline') : []) {
    it(golden.name, () => {
      const { image, targets } = run(golden);
      expectClose(image, readArray(`pipeline/${golden.outputs.image}`).data, golden.tolerance.image);
      const expected = golden.outputs.segmentation as unknown as string[];
      expect(targets.length).toBe(expected.length);
      for (const [i, file] of expected.entries())
        expectClose(targets[i], readArray(`pipeline/${file}`).data, golden.tolerance.segmentation);
    });
  }
});
