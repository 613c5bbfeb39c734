import { describe, expect, it } from 'vitest';
import type { Sample, Workspace } from '../../src/augmentation/transform.ts';
import { blur as blurTransform, gaussian } from '../../src/augmentation/transforms/intensity/blur.ts';
import { lowResolution as lowResolutionTransform } from '../../src/augmentation/transforms/intensity/low-resolution.ts';
import type { Axis } from '../../src/common/geometry.ts';
import { type Triple, voxels } from '../../src/common/geometry.ts';
import { blurScratchBytes, type Taps } from '../../src/kernels/intensity.ts';
import { bindKernels, KERNEL_BYTES } from '../../src/kernels/kernels.ts';
import { complete } from '../fixtures/complete-step.ts';
import { blur } from './reference/blur.ts';
import { gamma } from './reference/gamma.ts';
import { linear } from './reference/linear.ts';
import { lowResolution } from './reference/low-resolution.ts';
import { noise } from './reference/noise.ts';
import { statistics } from './reference/statistics.ts';

const memory = new WebAssembly.Memory({ initial: 512, maximum: 512, shared: true });
const buffer = memory.buffer as SharedArrayBuffer;
const kernels = bindKernels(memory);
const IMAGE = KERNEL_BYTES + 1024;
const SCRATCH = buffer.byteLength / 2;
const workspace: Workspace = { kernels, buffer, scratch: SCRATCH };

const COUNTS = [1, 2, 3, 4, 5, 7, 8, 9, 13, 15, 16, 17, 31, 64, 101, 255, 256, 257, 1009];
const SHAPES: Triple[] = [
  [1, 1, 1],
  [1, 1, 2],
  [2, 3, 1],
  [3, 2, 3],
  [1, 7, 5],
  [5, 1, 4],
  [4, 5, 1],
  [7, 11, 13],
  [2, 17, 8],
  [16, 9, 33],
  [3, 4, 19],
];

/** Numbers like an image's, between -2 and 2 times `scale` around `middle`, the same each time. */
function draw(count: number, seed: number, scale = 1, middle = 0): Float32Array {
  let state = seed;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Float32Array.from({ length: count }, () => middle + scale * (2 * next() + 2 * next() - 2));
}

/** Runs a kernel on `image` at an address that is a multiple of 4 only; what is around it has to stay. */
function run(image: Float32Array, kernel: (pointer: number) => void, shift = 4): Float32Array {
  const guard = 64;
  const area = new Float32Array(buffer, IMAGE + shift - 4 * guard, image.length + 2 * guard);
  area.fill(123.25);
  area.set(image, guard);
  kernel(IMAGE + shift);
  const around = [...area.subarray(0, guard), ...area.subarray(guard + image.length)];
  expect(around.every((x) => x === 123.25)).toBe(true);
  return area.slice(guard, guard + image.length);
}

function expectNear(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++)
    if (!(Math.abs(actual[i] - expected[i]) <= tolerance) && !(Number.isNaN(actual[i]) && Number.isNaN(expected[i])))
      expect.fail(`number ${i} is ${actual[i]} instead of ${expected[i]}`);
}

const bytesOf = (image: Float32Array): Buffer => Buffer.from(image.buffer, image.byteOffset, image.byteLength);

describe('statistics', () => {
  it.each(COUNTS)('of %i voxels', (count) => {
    for (const [scale, middle] of [
      [1, 0],
      [800, 1000],
      [0.001, 5000],
    ]) {
      const image = draw(count, count, scale, middle);
      const expected = statistics(image);
      for (const shift of [0, 4, 8, 12]) {
        run(
          image,
          (pointer) => {
            const found = kernels.statistics(pointer, count);
            expect(found.lowest).toBe(expected.lowest);
            expect(found.highest).toBe(expected.highest);
            expectNear([found.mean], [expected.mean], 1e-12 * Math.max(Math.abs(middle), 1));
            expectNear([found.deviation], [expected.deviation], 1e-12 * scale + 1e-9 * expected.deviation);
          },
          shift,
        );
      }
    }
  });

  it('has no deviation for one voxel, and none at all for a constant image', () => {
    run(Float32Array.of(3), (pointer) => expect(kernels.statistics(pointer, 1).deviation).toBeNaN());
    const constant = new Float32Array(1000).fill(0.1);
    run(constant, (pointer) => {
      expect(kernels.statistics(pointer, 1000)).toEqual({ mean: constant[0], deviation: 0, lowest: constant[0], highest: constant[0] });
    });
  });

  it.each([0, 1, 6, 8, 20])('is NaN where voxel %i is', (at) => {
    const image = draw(21, 1);
    image[at] = Number.NaN;
    run(image, (pointer) =>
      expect(Object.values(kernels.statistics(pointer, 21))).toEqual([Number.NaN, Number.NaN, Number.NaN, Number.NaN]),
    );
  });
});

describe('linear', () => {
  it.each(COUNTS)('maps %i voxels, exactly', (count) => {
    const image = draw(count, count);
    if (count > 4) image[4] = Number.NaN;
    for (const [lower, upper] of [
      [-0.5, 1.25],
      [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    ]) {
      const made = run(image, (pointer) => kernels.linear(pointer, count, 1.3, -0.2, lower, upper));
      expectNear(made, linear(image, 1.3, -0.2, lower, upper), 0);
    }
    const free = run(image, (pointer) => kernels.linear(pointer, count, 1e6, 3));
    expectNear(free, linear(image, 1e6, 3, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY), 0);
  });
});

describe('gamma', () => {
  const apply = (image: Float32Array, exponent: number, invert: boolean) => {
    let sums = { mean: 0, deviation: 0 };
    const made = run(image, (pointer) => {
      const found = kernels.statistics(pointer, image.length);
      sums = kernels.gamma({ pointer, count: image.length, exponent, invert, statistics: found });
    });
    return { made, sums };
  };

  it.each(COUNTS)('raises %i voxels', (count) => {
    for (const exponent of [0.05, 0.7, 1, 1.5, 10]) {
      for (const invert of [false, true]) {
        const image = draw(count, count + 5);
        const { made, sums } = apply(image, exponent, invert);
        // Rounding of what is raised counts `exponent` times.
        expectNear(made, gamma(image, exponent, invert), (5 + exponent) * 4e-7);
        const expected = statistics(made);
        expectNear([sums.mean, sums.deviation], [expected.mean, expected.deviation], 1e-6);
      }
    }
  });

  it('has a relative error below 1e-6 down to powers of 2^-16 and below 6e-6 down to the normal numbers, exact at 0 and 1', () => {
    const exponents = Array.from({ length: 127 }, (_, i) => 2 ** -i);
    const image = Float32Array.from([0, -0, ...exponents.flatMap((x) => [x, x * 0.7, x * 0.71, x * 0.9, x * 0.99999994]), 1e-40]);
    for (const exponent of [0.05, 0.3, 0.7, 1, 1.1, 1.5, 2.7, 10]) {
      const { made } = apply(image, exponent, false);
      expect([made[0], made[1], made[2]]).toEqual([0, 0, 1]);
      const g = Math.fround(exponent);
      for (let i = 2; i < image.length - 1; i++) {
        const expected = image[i] ** g;
        if (image[i] >= 2 ** -126 && expected >= 2 ** -126) expectNear([made[i] / expected], [1], expected >= 2 ** -16 ? 1e-6 : 6e-6);
      }
      // Smaller numbers count as 0.
      expect(made[image.length - 1]).toBe(0);
    }
  });

  it('keeps lowest and highest where they are', () => {
    for (let seed = 1; seed < 200; seed++) {
      const image = draw(9, seed, seed * 7.3, seed);
      for (const invert of [false, true]) {
        const { made } = apply(image, 1.37, invert);
        const [before, after] = [statistics(image), statistics(made)];
        expectNear([after.lowest, after.highest], [before.lowest, before.highest], 4e-7 * (before.highest - before.lowest));
      }
    }
  });

  it('leaves a constant image as it is and makes NaN of an image with NaN', () => {
    const constant = new Float32Array(37).fill(-2.3);
    const { made, sums } = apply(constant, 1.4, false);
    expect(made).toEqual(constant);
    expect(sums).toEqual({ mean: constant[0], deviation: 0 });
    const image = draw(37, 3);
    image[17] = Number.NaN;
    expect(apply(image, 1.4, true).made.every(Number.isNaN)).toBe(true);
  });

  it('inverted is the same of the negated image, negated', () => {
    const image = draw(203, 8);
    const inverted = apply(image, 1.3, true).made;
    const negated = apply(
      image.map((x) => -x),
      1.3,
      false,
    ).made;
    expectNear(
      inverted,
      negated.map((x) => -x),
      0,
    );
  });
});

describe('noise', () => {
  const SEED = [0x12345678, 0x9abcdef0, 7, 0xffffffff];
  const field = (count: number, seed: readonly number[], stream = 0, sigma = 1): Float32Array =>
    run(new Float32Array(count), (pointer) => kernels.noise(pointer, count, sigma, seed, stream));

  it.each(COUNTS)('adds to %i voxels what the plain generator says', (count) => {
    const image = draw(count, 4);
    const expected = noise(count, SEED, 3).map((x, i) => image[i] + 0.1 * x);
    expectNear(
      run(image, (pointer) => kernels.noise(pointer, count, 0.1, SEED, 3)),
      expected,
      2e-6,
    );
  });

  it('depends on seed, stream and place alone', () => {
    const all = field(1000, SEED);
    expect(bytesOf(field(1000, SEED)).equals(bytesOf(all))).toBe(true);
    expect(bytesOf(field(331, SEED)).equals(bytesOf(all.slice(0, 331)))).toBe(true);
    const others = [0, 1, 2, 3].map((word) => field(1000, SEED.with(word, SEED[word] ^ 1)));
    for (const other of [...others, field(1000, SEED, 1), field(1000, [0, 0, 0, 0])]) {
      const product = all.reduce((sum, x, i) => sum + x * other[i], 0) / 1000;
      expect(Math.abs(product)).toBeLessThan(5 / Math.sqrt(1000));
    }
  });

  it('is normal: moments, tails, distribution', () => {
    const n = 2 ** 21;
    const values = field(n, [1, 2, 3, 4]);
    const moment = (power: number): number => values.reduce((sum, x) => sum + x ** power, 0) / n;
    // Standard errors of the moments of n normal numbers are the square roots of 1, 2, 15 and 96 over n.
    expectNear([moment(1)], [0], 5 / Math.sqrt(n));
    expectNear([moment(2)], [1], 5 * Math.sqrt(2 / n));
    expectNear([moment(3)], [0], 5 * Math.sqrt(15 / n));
    expectNear([moment(4)], [3], 5 * Math.sqrt(96 / n));
    // Probabilities of being above 0.5, 1, 2, 3, 4 and 4.5, on either side.
    for (const [limit, probability] of [
      [0.5, 0.3085375387],
      [1, 0.1586552539],
      [2, 0.0227501319],
      [3, 0.001349898],
      [4, 3.16712e-5],
      [4.5, 3.3977e-6],
    ]) {
      for (const sign of [1, -1]) {
        const found = values.reduce((sum, x) => sum + Number(sign * x > limit), 0);
        expectNear([found], [n * probability], 5 * Math.sqrt(n * probability));
      }
    }
  });

  it('is independent: neighbours, rows, planes, squares too, and between channels', () => {
    const n = 2 ** 20;
    const values = field(n, [5, 6, 7, 8]);
    const squares = values.map((x) => x * x - 1);
    for (const lag of [1, 2, 3, 4, 5, 7, 8, 12, 16, 64, 100, 128, 128 * 128]) {
      for (const [numbers, variance] of [
        [values, 1],
        [squares, 2],
      ] as const) {
        let sum = 0;
        for (let i = lag; i < n; i++) sum += numbers[i] * numbers[i - lag];
        expectNear([sum / (n - lag) / variance], [0], 5 / Math.sqrt(n - lag));
      }
    }
    const other = field(n, [5, 6, 7, 8], 1);
    expectNear([values.reduce((sum, x, i) => sum + x * other[i], 0) / n], [0], 5 / Math.sqrt(n));
  });

  it('has a largest number as large as it should be', () => {
    const n = 2 ** 22;
    let largest = 0;
    for (let seed = 0; seed < 4; seed++) {
      const area = new Float32Array(buffer, IMAGE, n / 4);
      area.fill(0);
      kernels.noise(IMAGE, area.length, 1, [seed, 1, 1, 1], 0);
      for (const x of area) largest = Math.max(largest, Math.abs(x));
    }
    // Of 2^22 normal numbers the largest is between these with a probability of 99.9 %.
    expect(largest).toBeGreaterThan(4.6);
    expect(largest).toBeLessThan(6.6);
  });
});

function mirror(image: Float32Array, shape: Triple, axes: readonly Axis[]): Float32Array {
  const [depth, height, width] = shape;
  const at = (axis: Axis, i: number): number => (axes.includes(axis) ? shape[axis] - 1 - i : i);
  const mirrored = new Float32Array(image.length);
  for (let z = 0, i = 0; z < depth; z++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) mirrored[i++] = image[(at(0, z) * height + at(1, y)) * width + at(2, x)];
  return mirrored;
}

const MIRRORS: Axis[][] = [[0], [1], [2], [0, 1, 2]];

describe.each(SHAPES)('blur of %i x %i x %i', (...shape) => {
  const image = draw(voxels(shape), 17);
  const kernel = (weights: readonly Float32Array[]) => (pointer: number) => {
    const taps = weights.map((values, axis): Taps => {
      new Float32Array(buffer, SCRATCH + 256 * axis, values.length).set(values);
      return { pointer: SCRATCH + 256 * axis, length: values.length };
    });
    const bytes = blurScratchBytes(shape, weights.map(({ length }) => length) as Triple);
    const end = new Uint8Array(buffer, SCRATCH + 1024 + bytes, 64).fill(77);
    kernels.blur({ pointer, shape, taps: taps as [Taps, Taps, Taps], scratch: SCRATCH + 1024 });
    expect(end.every((byte) => byte === 77)).toBe(true);
  };

  it.each([
    [0.5, 0.5, 0.5],
    [0.7, 0.7, 0.7],
    [1, 1, 1],
    [1.4, 1.4, 1.4],
    [0.1, 0.8, 0.95],
    [0.5, 0.1, 0.8],
    [1, 0.55, 0.1],
    [0.1, 0.1, 0.6],
    [0.1, 0.9, 0.1],
    [0.9, 0.1, 0.1],
    [0.1, 0.1, 0.1],
    [4, 3, 5],
  ])('with sigmas %f, %f, %f, mirrored exactly alike', (...sigmas) => {
    const weights = sigmas.map(gaussian);
    const blurred = run(image, kernel(weights));
    expectNear(blurred, blur(image, shape, weights), 2e-6);
    for (const axes of MIRRORS) expect(mirror(run(mirror(image, shape, axes), kernel(weights)), shape, axes)).toEqual(blurred);
  });

  it('leaves a constant image nearly as it is, and spreads NaN', () => {
    const constant = new Float32Array(voxels(shape)).fill(1000);
    expectNear(run(constant, kernel([1, 1, 1].map(gaussian))), constant, 1e-3);
    const broken = image.with(image.length - 1, Number.NaN);
    expect(run(broken, kernel([1, 1, 1].map(gaussian)))[image.length - 1]).toBeNaN();
  });
});

describe.each(SHAPES)('low resolution of %i x %i x %i', (...shape) => {
  const image = draw(voxels(shape), 23);
  const step = complete(lowResolutionTransform, { transform: 'lowResolution' });
  const apply = (scales: number[], mirrored: readonly Axis[] = []) => {
    return (pointer: number): void => {
      const sample: Sample = { channels: 1, shape, axes: [0, 1, 2], data: pointer, target: 0, hasOutside: false, mirrored };
      const bytes = lowResolutionTransform.scratchBytes!(step, sample);
      const end = new Uint8Array(buffer, SCRATCH + bytes, 64).fill(77);
      lowResolutionTransform.apply(sample, { scales: [scales] }, step, workspace);
      expect(end.every((byte) => byte === 77)).toBe(true);
    };
  };

  it.each([
    [0.5, 0.5, 0.5],
    [0.9, 0.7, 0.6],
    [0.25, 0.3, 0.1],
    [1, 0.8, 0.55],
    [0.6, 1, 0.5],
    [0.7, 0.8, 1],
    [1, 1, 0.5],
    [1, 0.5, 1],
    [0.5, 1, 1],
    [1, 1, 1],
    [0.99, 0.98, 0.97],
  ])('with scales %f, %f, %f, mirrored exactly alike', (...scales) => {
    const small = shape.map((size, axis) => {
      const wanted = size * Math.fround(scales[axis]);
      const rounded = Math.abs(wanted % 1) === 0.5 ? 2 * Math.round(wanted / 2) : Math.round(wanted);
      return Math.max(rounded, 1);
    }) as Triple;
    const made = run(image, apply(scales));
    expectNear(made, lowResolution(image, shape, small), 1e-5);
    for (const axes of MIRRORS) expect(mirror(run(mirror(image, shape, axes), apply(scales, axes)), shape, axes)).toEqual(made);
  });

  it('leaves a constant image as it is', () => {
    const constant = new Float32Array(voxels(shape)).fill(0.1);
    expect(run(constant, apply([0.5, 0.7, 0.9]))).toEqual(constant);
  });
});

describe('scratch', () => {
  it.each([
    [
      [16, 24, 40],
      [0, 1, 2],
    ],
    [
      [1, 24, 40],
      [1, 2],
    ],
  ] as const)('of a blur of %j is enough for the largest sigma', (size, axes) => {
    const shape = [...size] as Triple;
    const step = complete(blurTransform, { transform: 'blur', sigma: [0.5, 1.5] });
    const image = draw(voxels(shape), 2);
    const sample: Sample = { channels: 1, shape, axes, data: IMAGE, target: 0, hasOutside: false, mirrored: [] };
    const end = new Uint8Array(buffer, SCRATCH + blurTransform.scratchBytes!(step, sample), 64).fill(77);
    new Float32Array(buffer, IMAGE, image.length).set(image);
    blurTransform.apply(sample, { sigmas: [axes.map(() => 1.5)] }, step, workspace);
    expect(end.every((byte) => byte === 77)).toBe(true);
  });
});
