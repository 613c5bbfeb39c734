import { describe, expect, it } from 'vitest';
import { affineMatrix } from '../../src/augmentation/affine.ts';
import { mapping } from '../../src/augmentation/reading.ts';
import { warpImage } from '../../src/augmentation/warp/image.ts';
import { warpLabels } from '../../src/augmentation/warp/labels.ts';
import type { Placement } from '../../src/augmentation/warp/placement.ts';
import type { Axis } from '../../src/common/geometry.ts';
import { type Box, type Triple, triple, voxels } from '../../src/common/geometry.ts';
import { Draws } from '../../src/common/random.ts';
import { bindKernels, KERNEL_BYTES } from '../../src/kernels/kernels.ts';
import { FOUND, WARP_SCRATCH_BYTES, warpTile } from '../../src/kernels/spatial.ts';

const memory = new WebAssembly.Memory({ initial: 256, maximum: 256, shared: true });
const buffer = memory.buffer as SharedArrayBuffer;
const kernels = bindKernels(memory);
const MIB = 1024 * 1024;
const [WARP, SCRATCH, SOURCE, TARGET] = [KERNEL_BYTES, KERNEL_BYTES + 64 * 1024, KERNEL_BYTES + MIB, KERNEL_BYTES + 8 * MIB];

const SIZES = [1, 2, 3, 4, 5, 7, 8, 11, 13, 16, 17, 23, 31, 37];

interface Task {
  crop: Triple;
  patch: Triple;
  axes: readonly Axis[];
  angles: number[];
  scales: number[];
  mirrored: Axis[];
  /** The voxels of the crop that there are. */
  exists: Box;
}

/** Random shapes, rotations of any angle, strong scaling, mirrors, and crops that hang over their volume. */
function draw(number: number, planar: boolean): Task {
  const draws = new Draws(5, number, planar ? 1 : 2);
  const size = (): number => SIZES[draws.below(SIZES.length)];
  const crop: Triple = [size(), size(), size()];
  const patch: Triple = [planar ? crop[0] : size(), size(), size()];
  const axes: readonly Axis[] = planar ? [1, 2] : [0, 1, 2];
  const lower = triple((axis) => (draws.uniform() < 0.3 ? draws.below(crop[axis]) : 0));
  const upper = triple((axis) => (draws.uniform() < 0.3 ? draws.between(lower[axis] + 1, crop[axis]) : crop[axis]));
  return {
    crop,
    patch,
    axes,
    angles: axes.map(() => (draws.uniform() < 0.2 ? 0 : (2 * draws.uniform() - 1) * Math.PI)),
    scales: axes.map(() => 0.3 + 2 * draws.uniform()),
    mirrored: ([0, 1, 2] as Axis[]).filter(() => draws.uniform() < 0.3),
    exists: { lower, upper },
  };
}

/** The placement in the plain implementation, and the same warp written down for the kernels. */
function describeTask({ crop, patch, axes, angles, scales, mirrored, exists }: Task): Placement {
  const { matrix, offset } = mapping(affineMatrix(angles, scales, axes), crop, patch, mirrored);
  const tile = warpTile(matrix, patch);
  kernels.describeWarp(WARP, { matrix, offset, size: patch, tile, first: exists.lower, end: exists.upper });
  return { source: crop, patch, axes, matrix };
}

/** Sets what is outside of the part that exists to `value`. */
function clear<T extends Float32Array | Int16Array>(values: T, { crop, exists: { lower, upper } }: Task, value: number): T {
  const outside = (at: number, axis: number): boolean => at < lower[axis] || at >= upper[axis];
  let i = 0;
  for (let z = 0; z < crop[0]; z++)
    for (let y = 0; y < crop[1]; y++) {
      const row = outside(z, 0) || outside(y, 1);
      for (let x = 0; x < crop[2]; x++, i++) if (row || outside(x, 2)) values[i] = value;
    }
  return values;
}

/** Fills what a kernel must not read or write with NaN, then runs it; what is around the target has to stay. */
function run<T extends Float32Array | Int16Array | Int8Array>(source: T, patch: Triple, bytes: number, kernel: () => number): number {
  new Uint8Array(buffer, KERNEL_BYTES + 64 * 1024).fill(0xff);
  new (source.constructor as Int8ArrayConstructor)(buffer as unknown as ArrayBuffer, SOURCE, source.length).set(source as Int8Array);
  const found = kernel();
  const end = TARGET + bytes * voxels(patch);
  expect(new Uint8Array(buffer, TARGET - 64, 64).every((byte) => byte === 0xff)).toBe(true);
  expect(new Uint8Array(buffer, end, 256).every((byte) => byte === 0xff)).toBe(true);
  expect(new Uint8Array(buffer, SCRATCH + WARP_SCRATCH_BYTES, 256).every((byte) => byte === 0xff)).toBe(true);
  return found;
}

const strided = (crop: Triple, bytes: number) => ({ pointer: SOURCE, row: crop[2] * bytes, plane: crop[1] * crop[2] * bytes });

/** An image warped by the plain implementation and by the kernel. */
function warpBoth(task: Task, image: Float32Array): { expected: Float32Array; actual: Float32Array } {
  const placement = describeTask(task);
  const expected = new Float32Array(voxels(task.patch));
  warpImage(image, placement, { padding: 'zeros' }, expected);
  run(image, task.patch, 4, () => {
    kernels.warpImage(WARP, strided(task.crop, 4), TARGET, SCRATCH);
    return 0;
  });
  return { expected, actual: new Float32Array(buffer, TARGET, expected.length) };
}

describe.each([false, true])('warps, planar %s', (planar) => {
  it('interpolate images as the plain implementation does', () => {
    for (let number = 0; number < 150; number++) {
      const task = draw(number, planar);
      const draws = new Draws(6, number, 0);
      const image = clear(
        Float32Array.from({ length: voxels(task.crop) }, () => 2 * draws.uniform() - 1),
        task,
        0,
      );
      const { expected, actual } = warpBoth(task, image);
      for (let i = 0; i < expected.length; i++)
        if (!(Math.abs(actual[i] - expected[i]) < 3e-5)) expect.fail(`${number}: voxel ${i} is ${actual[i]} instead of ${expected[i]}`);
    }
  });

  it('interpolate images that are one value in large parts as the plain implementation does', () => {
    const kinds = [0, -0, 1.5, -3, Number.NaN, Number.POSITIVE_INFINITY];
    let constant = 0;
    for (let number = 0; number < 120; number++) {
      const task = draw(number, planar);
      const draws = new Draws(9, number, 0);
      // A whole volume of one value, or a few slabs of some.
      const slab = draws.between(1, 3 * voxels(task.crop));
      const first = draws.below(kinds.length);
      const image = clear(
        Float32Array.from({ length: voxels(task.crop) }, (_, i) => kinds[(first + Math.floor(i / slab)) % kinds.length]),
        task,
        0,
      );
      const { expected, actual } = warpBoth(task, image);
      for (let i = 0; i < expected.length; i++) {
        // How far infinity and NaN reach is a matter of neighbours of weight 0.
        if (Number.isFinite(expected[i]) && Number.isFinite(actual[i])) {
          if (Math.abs(actual[i] - expected[i]) > 3e-5) expect.fail(`${number}: voxel ${i} is ${actual[i]} instead of ${expected[i]}`);
          if (Object.is(actual[i], 1.5)) constant++;
        }
      }
      if (image.every(Number.isFinite)) expect(actual.every(Number.isFinite)).toBe(true);
    }
    expect(constant).toBeGreaterThan(100);
  });

  for (const bytes of [1, 2])
    for (const nearest of [false, true])
      it(`decide labels of ${bytes} bytes as the plain implementation does, nearest ${nearest}`, () => {
        let decided = 0;
        let wrong = 0;
        for (let number = 0; number < 150; number++) {
          const task = draw(number, planar);
          const draws = new Draws(7, number, 0);
          // Runs of labels: tiles of one label alone, and tiles of many.
          const run1 = draws.between(1, 3 * task.crop[2] * task.crop[1]);
          const given = Int16Array.from({ length: voxels(task.crop) }, (_, i) => ((Math.floor(i / run1) * 7) % 5) - 1);
          const labels = clear(given, task, -1);
          const placement = describeTask(task);
          const expected = new Int16Array(voxels(task.patch));
          warpLabels(labels, placement, { interpolation: nearest ? 'nearest' : 'linear' }, expected);
          const stored = bytes === 1 ? Int8Array.from(labels) : labels;
          const found = run(stored, task.patch, 2, () =>
            kernels.warpLabels(WARP, strided(task.crop, bytes), bytes, TARGET, SCRATCH, nearest),
          );
          const actual = new Int16Array(buffer, TARGET, expected.length);
          expect(found).toBe((actual.some((x) => x > 0) ? FOUND.foreground : 0) | (actual.some((x) => x < 0) ? FOUND.outside : 0));
          decided += expected.length;
          for (let i = 0; i < expected.length; i++) if (actual[i] !== expected[i]) wrong++;
        }
        // Coordinates are float32: what is as good as tied may go either way.
        expect(decided).toBeGreaterThan(100_000);
        expect(wrong / decided).toBeLessThan(2e-4);
      });
});

describe('slices with rows so far apart that they are fetched', () => {
  const TASKS = Array.from({ length: 12 }, (_, number) => {
    const task = draw(number, true);
    const crop: Triple = [1, 211 + number, 230];
    const lower: Triple = number % 3 === 1 ? [0, 31, 0] : [0, 0, 0];
    const upper: Triple = number % 3 === 2 ? [1, 150, 211] : crop;
    return { ...task, crop, patch: [1, 190, 203 + number] as Triple, exists: { lower, upper } };
  });

  it('are warped as the plain implementation does', () => {
    for (const [number, task] of TASKS.entries()) {
      const draws = new Draws(11, number, 0);
      const image = clear(
        Float32Array.from({ length: voxels(task.crop) }, () => 2 * draws.uniform() - 1),
        task,
        0,
      );
      const { expected, actual } = warpBoth(task, image);
      expect(expected.findIndex((value, i) => !(Math.abs(actual[i] - value) < 1e-4))).toBe(-1);

      const labels = clear(
        Int16Array.from({ length: voxels(task.crop) }, (_, i) => Math.floor(i / 70) % 4),
        task,
        -1,
      );
      const decided = new Int16Array(voxels(task.patch));
      warpLabels(labels, describeTask(task), { interpolation: 'linear' }, decided);
      run(Int8Array.from(labels), task.patch, 2, () => kernels.warpLabels(WARP, strided(task.crop, 1), 1, TARGET, SCRATCH, false));
      const warped = new Int16Array(buffer, TARGET, decided.length);
      expect(decided.filter((label, i) => label !== warped[i]).length / decided.length).toBeLessThan(2e-4);
    }
  });
});

describe('images', () => {
  const draws = new Draws(10, 0, 0);
  const crop: Triple = [6, 31, 37];
  const image = Float32Array.from({ length: voxels(crop) }, () => 2 * draws.uniform() - 1);
  const exists = { lower: [0, 0, 0], upper: crop } as Box;
  const turned = { crop, patch: [4, 23, 19] as Triple, axes: [0, 1, 2] as Axis[], mirrored: [] as Axis[], exists };
  const TURNS = Array.from({ length: 60 }, () => ({
    ...turned,
    angles: [0, 1, 2].map(() => draws.uniform() - 0.5),
    scales: [0, 1, 2].map(() => 0.4 + draws.uniform()),
  }));

  it('are warped out of the last bytes of a memory, and nothing beyond is asked for', () => {
    for (const task of TURNS) {
      const { actual: expected } = warpBoth(task, image);
      const wanted = expected.slice();
      const last = buffer.byteLength - image.byteLength;
      new Float32Array(buffer, last, image.length).set(image);
      kernels.warpImage(WARP, { ...strided(crop, 4), pointer: last }, TARGET, SCRATCH);
      expect(new Float32Array(buffer, TARGET, wanted.length)).toEqual(wanted);
    }
  });

  it('are warped alike however far their planes are apart', () => {
    const far = new WebAssembly.Memory({ initial: 2048, maximum: 2048, shared: true });
    const others = bindKernels(far);
    const apart = 18 * MIB;
    const plane = crop[1] * crop[2];
    for (let z = 0; z < crop[0]; z++)
      new Float32Array(far.buffer, SOURCE + z * apart, plane).set(image.subarray(z * plane, (z + 1) * plane));
    for (const task of TURNS) {
      const { actual: expected } = warpBoth(task, image);
      new Uint8Array(far.buffer).set(new Uint8Array(buffer, WARP, 64 * 1024), WARP);
      others.warpImage(WARP, { ...strided(crop, 4), plane: apart }, TARGET, SCRATCH);
      expect(new Float32Array(far.buffer, TARGET, expected.length)).toEqual(expected);
    }
  });
});

describe('labels', () => {
  it('are warped out of the last bytes of a memory, and nothing beyond is asked for', () => {
    for (let number = 0; number < 60; number++) {
      const task = { ...draw(number, true), exists: { lower: [0, 0, 0], upper: [1, 37, 31] } as Box, crop: [1, 37, 31] as Triple };
      task.patch = [1, task.patch[1], task.patch[2]];
      const labels = Int8Array.from({ length: voxels(task.crop) }, (_, i) => Math.floor(i / 50) % 3);
      describeTask(task);
      const warped = [SOURCE, buffer.byteLength - labels.length].map((pointer) => {
        new Int8Array(buffer, pointer, labels.length).set(labels);
        kernels.warpLabels(WARP, { ...strided(task.crop, 1), pointer }, 1, TARGET, SCRATCH, false);
        return new Int16Array(buffer, TARGET, voxels(task.patch)).slice();
      });
      expect(warped[1]).toEqual(warped[0]);
    }
  });
});
