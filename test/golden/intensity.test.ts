import { describe, expect, it } from 'vitest';
import type { Sample, Workspace } from '../../src/augmentation/transform.ts';
import { type BlurParameters, blur, gaussian } from '../../src/augmentation/transforms/intensity/blur.ts';
import { brightness } from '../../src/augmentation/transforms/intensity/brightness.ts';
import { contrast } from '../../src/augmentation/transforms/intensity/contrast.ts';
import { gamma } from '../../src/augmentation/transforms/intensity/gamma.ts';
import { lowResolution } from '../../src/augmentation/transforms/intensity/low-resolution.ts';
import type { Axis } from '../../src/common/geometry.ts';
import { patchOf, voxels } from '../../src/common/geometry.ts';
import { bindKernels, KERNEL_BYTES } from '../../src/kernels/kernels.ts';
import { complete } from '../fixtures/complete-step.ts';
import { expectClose, type GoldenArray, type GoldenCase, has, manifest, readArray } from './golden.ts';

const memory = new WebAssembly.Memory({ initial: 256, maximum: 256, shared: true });
const buffer = memory.buffer as SharedArrayBuffer;
const workspace: Workspace = { kernels: bindKernels(memory), buffer, scratch: buffer.byteLength / 2 };
const data = KERNEL_BYTES;

/** How the product makes what a transform of the peer makes with these parameters. */
const APPLY: Record<string, (sample: Sample, params: GoldenCase['params']) => void> = {
  GaussianBlurTransform: (sample, params) => {
    const parameters: BlurParameters = { sigmas: params.sigmas_per_channel };
    blur.apply(sample, parameters, complete(blur, { transform: 'blur' }), workspace);
  },
  MultiplicativeBrightnessTransform: (sample, params) =>
    brightness.apply(sample, { factors: params.multipliers_per_channel }, complete(brightness, { transform: 'brightness' }), workspace),
  ContrastTransform: (sample, params) =>
    contrast.apply(
      sample,
      { factors: params.multipliers_per_channel },
      complete(contrast, { transform: 'contrast', preserveRange: params.preserve_range }),
      workspace,
    ),
  SimulateLowResolutionTransform: (sample, params) =>
    lowResolution.apply(sample, { scales: params.scales_per_channel }, complete(lowResolution, { transform: 'lowResolution' }), workspace),
  GammaTransform: (sample, params) =>
    gamma.apply(
      sample,
      { gammas: params.gamma_per_channel },
      complete(gamma, { transform: 'gamma', invert: params.invert_image, retainStats: params.retain_stats }),
      workspace,
    ),
};

function sampleOf({ shape }: GoldenArray): Sample {
  const [channels, ...size] = shape;
  const axes: Axis[] = size.length === 2 ? [1, 2] : [0, 1, 2];
  return { channels, shape: patchOf(size), axes, data, target: 0, hasOutside: false, mirrored: [] };
}

/** Turns each channel round along `axes`. */
function mirror(image: Float32Array, { channels, shape }: Sample, axes: readonly Axis[]): Float32Array {
  const [depth, height, width] = shape;
  const at = (axis: Axis, i: number): number => (axes.includes(axis) ? shape[axis] - 1 - i : i);
  const mirrored = new Float32Array(image.length);
  for (let channel = 0, i = 0; channel < channels; channel++)
    for (let z = 0; z < depth; z++)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) mirrored[i++] = image[((channel * depth + at(0, z)) * height + at(1, y)) * width + at(2, x)];
  return mirrored;
}

describe('intensity transforms', () => {
  const cases = has('intensity/manifest.json') ? manifest('intensity') : [];
  for (const golden of cases) {
    const image = readArray(`intensity/${golden.inputs.image}`);

    it(golden.name, () => {
      const expected = readArray(`intensity/${golden.outputs.image}`);
      const sample = sampleOf(image);
      const place = new Float32Array(buffer, data, image.data.length);
      place.set(image.data);
      expect(Object.keys(APPLY)).toContain(golden.transform);
      APPLY[golden.transform](sample, golden.params);
      expectClose(place, expected.data, golden.tolerance.image);
    });

    it(`${golden.name}, mirrored already, is the same mirrored`, () => {
      const sample = sampleOf(image);
      const place = new Float32Array(buffer, data, image.data.length);
      place.set(image.data);
      APPLY[golden.transform](sample, golden.params);
      const straight = place.slice();
      for (const mirrored of [sample.axes, sample.axes.slice(0, 1), sample.axes.slice(-1)]) {
        place.set(mirror(image.data as Float32Array, sample, mirrored));
        APPLY[golden.transform]({ ...sample, mirrored }, golden.params);
        const turned = mirror(place, sample, mirrored);
        // Statistics are sums, and sums depend on the order a little.
        const exact = ['GaussianBlurTransform', 'SimulateLowResolutionTransform', 'MultiplicativeBrightnessTransform'];
        expectClose(turned, straight, exact.includes(golden.transform) ? { kind: 'exact' } : golden.tolerance.image);
      }
    });
  }

  for (const golden of cases.filter(({ params }) => params.kernels)) {
    it(`${golden.name}: weights`, () => {
      for (const [sigma, weights] of Object.entries<number[]>(golden.params.kernels))
        expectClose(gaussian(Number(sigma)), weights, { kind: 'allclose', atol: 1e-7, rtol: 1e-6 });
    });
  }

  for (const golden of cases.filter(({ params }) => params.downsampled_shapes)) {
    it(`${golden.name}: sizes in between`, () => {
      const sample = { ...sampleOf(readArray(`intensity/${golden.inputs.image}`)), channels: 1 };
      const image = new Float32Array(buffer, data, voxels(sample.shape));
      const apply = (scales: number[]): Float32Array => {
        for (let i = 0; i < image.length; i++) image[i] = Math.sin(i * 12.9898);
        lowResolution.apply(sample, { scales: [scales] }, complete(lowResolution, { transform: 'lowResolution' }), workspace);
        return image.slice();
      };
      // The peer's scales do the same as those that make exactly its sizes.
      for (const [channel, sizes] of golden.params.downsampled_shapes.entries()) {
        if (sizes === null) continue;
        const exact = sample.axes.map((axis, i) => sizes[i] / sample.shape[axis]);
        expectClose(apply(golden.params.scales_per_channel[channel]), apply(exact), { kind: 'exact' });
      }
    });
  }
});
