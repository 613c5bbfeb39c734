import { describe, expect, it } from 'vitest';
import { AXES, type Triple, triple, voxels } from '../../src/common/geometry.ts';
import { resampledShape } from '../../src/planning/target-spacing.ts';
import { type ImageResampling, resampleImage, separateAxis } from '../../src/preprocessing/resampling/resample-image.ts';
import { resampleLabels } from '../../src/preprocessing/resampling/resample-labels.ts';
import { type AxisPass, resizeAxis } from '../../src/preprocessing/resampling/resize-axis.ts';
import { numbers } from '../fixtures/raw-dataset.ts';

type Axis = 0 | 1 | 2;
const SPLINE: ImageResampling = { order: 3, separate: null, orderZ: 0 };

/** A line resized by the definition, slowly: the spline's coefficients solve a tridiagonal system, far beyond the ends of the line. */
function referenceLine(line: number[], to: number, order: 0 | 1 | 3): number[] {
  const at = (sample: number): number => line[Math.min(Math.max(sample, 0), line.length - 1)];
  // In this order of operations: the nearest sample to a position halfway between two is a matter of rounding.
  const positions = Array.from({ length: to }, (_, i) => (i + 0.5) * (line.length / to) - 0.5);
  if (line.length === 1) return positions.map(() => line[0]);
  if (order === 0) return positions.map((x) => at(Math.floor(x + 0.5)));
  if (order === 1) return positions.map((x) => at(Math.floor(x)) * (1 - x + Math.floor(x)) + at(Math.floor(x) + 1) * (x - Math.floor(x)));

  const pad = 30;
  const padded = Array.from({ length: line.length + 2 * pad }, (_, i) => at(i - pad));
  // (c[i - 1] + 4 c[i] + c[i + 1]) / 6 = padded[i]; at the ends the neighbour outside is like the one inside. Eliminated forwards:
  const diagonal: number[] = [];
  const right: number[] = [];
  for (let i = 0; i < padded.length; i++) {
    diagonal[i] = i === 0 ? 4 / 2 : 4 - 1 / diagonal[i - 1];
    right[i] = i === 0 ? (6 * padded[i]) / 2 : 6 * padded[i] - right[i - 1] / diagonal[i - 1];
  }
  const last = padded.length - 1;
  const coefficients: number[] = [];
  coefficients[last] = (6 * padded[last] - (2 * right[last - 1]) / diagonal[last - 1]) / (4 - 2 / diagonal[last - 1]);
  for (let i = last - 1; i >= 0; i--) coefficients[i] = (right[i] - coefficients[i + 1]) / diagonal[i];
  const bump = (x: number): number => (x < 1 ? (4 - 6 * x ** 2 + 3 * x ** 3) / 6 : x < 2 ? (2 - x) ** 3 / 6 : 0);
  return positions.map((x) => {
    let sum = 0;
    for (let k = Math.floor(x) - 1; k <= Math.floor(x) + 2; k++) sum += coefficients[k + pad] * bump(Math.abs(x - k));
    return sum;
  });
}

function referenceAxis(data: number[], shape: Triple, axis: Axis, to: number, order: 0 | 1 | 3): number[] {
  const inner = voxels(shape.slice(axis + 1));
  const result: number[] = [];
  for (let outer = 0; outer < voxels(shape.slice(0, axis)); outer++) {
    for (let i = 0; i < inner; i++) {
      const line = Array.from({ length: shape[axis] }, (_, k) => data[(outer * shape[axis] + k) * inner + i]);
      for (const [k, value] of referenceLine(line, to, order).entries()) result[(outer * to + k) * inner + i] = value;
    }
  }
  return result;
}

function reference(image: Iterable<number>, shape: Triple, target: Triple, { order, separate, orderZ }: ImageResampling): number[] {
  let data = [...image];
  const slice = (i: number, of: Triple): number => (separate === null ? 0 : Math.floor(i / voxels(of.slice(separate + 1))) % of[separate]);
  const ranges: [number, number][] = [];
  for (const [i, value] of data.entries()) {
    const [low, high] = ranges[slice(i, shape)] ?? [value, value];
    ranges[slice(i, shape)] = [Math.min(low, value), Math.max(high, value)];
  }
  let size = shape;
  for (const axis of AXES) {
    if (axis === separate) continue;
    data = referenceAxis(data, size, axis, target[axis], order);
    size = size.with(axis, target[axis]) as Triple;
  }
  data = data.map((value, i) => Math.min(Math.max(value, ranges[slice(i, size)][0]), ranges[slice(i, size)][1]));
  return separate === null ? data : referenceAxis(data, size, separate, target[separate], orderZ);
}

/** The label with the largest weight; `unsure` where it is a matter of rounding. */
function referenceLabels(labels: Int8Array | Int16Array, shape: Triple, target: Triple, order: 0 | 1, separate: Axis | null) {
  const result: number[] = new Array(voxels(target)).fill(0);
  const most: number[] = new Array(result.length).fill(0);
  const unsure = new Set<number>();
  for (const label of new Set(labels)) {
    const mask = Array.from(labels, (value) => Number(value === label));
    for (const [i, weight] of reference(mask, shape, target, { order, separate, orderZ: 0 }).entries()) {
      if (Math.abs(weight - most[i]) < 1e-9) unsure.add(i);
      else if (weight > most[i]) {
        unsure.delete(i);
        result[i] = label;
      }
      most[i] = Math.max(weight, most[i]);
    }
  }
  return { result, unsure };
}

const farthest = (actual: ArrayLike<number>, expected: ArrayLike<number>): number => {
  expect(actual.length).toBe(expected.length);
  return Array.from(actual).reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
};

const randomImage = (size: number, seed: number): Float32Array => {
  const draw = numbers(seed);
  return Float32Array.from({ length: size }, () => draw(4001) / 1000 - 2);
};

const along = (axis: Axis, size: number): Triple => triple((other) => (other === axis ? size : 1));

describe('resampledShape', () => {
  it('rounds halves to the even size', () => {
    expect(resampledShape([5, 7, 9], [1, 1, 1], [2, 2, 2])).toEqual([2, 4, 4]);
  });
});

describe('separateAxis', () => {
  it.each<[string, Triple, Triple, boolean | null, Axis | null]>([
    ['exactly three times as long is not enough', [3, 1, 1], [1, 1, 1], null, null],
    ['the current spacing decides first', [1, 4, 1], [4, 1, 1], null, 1],
    ['then the target', [1, 1, 1], [1, 1, 3.5], null, 2],
    ['of two there is none', [0.24, 1.25, 1.25], [1, 1, 1], null, null],
    ['two in the current spacing hide the target', [0.24, 1.25, 1.25], [9, 1, 1], null, null],
    ['forced on', [1.5, 1, 1], [1, 1, 1], true, 0],
    ['forced on without one', [1, 1, 1], [5, 1, 1], true, null],
    ['forced off', [9, 1, 1], [1, 1, 1], false, null],
  ])('%s', (_, current, target, force, axis) => {
    expect(separateAxis(current, target, force)).toBe(axis);
  });
});

describe('resampleImage', () => {
  it.each(AXES)('interpolates a row along axis %i', (axis) => {
    const row = Float32Array.from([0, 1, 4, 9, 16, 25]);
    const expected = [0, 0.30007, 1.34617, 3.34452, 6.31347, 9.95035, 14.52134, 21.08846, 25];
    expect(farthest(resampleImage(row, along(axis, 6), along(axis, 9), SPLINE), expected)).toBeLessThan(1e-5);
  });

  it.each(AXES)('takes the nearest slice along a separate axis %i', (axis) => {
    const options: ImageResampling = { order: 3, separate: axis, orderZ: 0 };
    const slices = Float32Array.from([0, 1, 2, 3]);
    expect([...resampleImage(slices, along(axis, 4), along(axis, 7), options)]).toEqual([0, 0, 1, 2, 2, 3, 3]);
  });

  it('returns the array itself where the shape is the same', () => {
    const image = randomImage(24, 1);
    expect(resampleImage(image, [2, 3, 4], [2, 3, 4], SPLINE)).toBe(image);
  });

  it('leaves the source as it is', () => {
    const image = randomImage(210, 2);
    const before = image.slice();
    resampleImage(image, [5, 6, 7], [3, 9, 4], SPLINE);
    expect(image).toEqual(before);
  });

  it('keeps a constant constant', () => {
    const constant = new Float32Array(7 * 5 * 9).fill(-1.7);
    expect(new Set(resampleImage(constant, [7, 5, 9], [3, 11, 10], SPLINE))).toEqual(new Set([Math.fround(-1.7)]));
  });

  it('resamples axes of one voxel', () => {
    expect([...resampleImage(Float32Array.of(4), [1, 1, 1], [2, 1, 3], SPLINE)]).toEqual([4, 4, 4, 4, 4, 4]);
    expect([...resampleImage(Float32Array.of(4, 4), [1, 2, 1], [1, 1, 1], SPLINE)]).toEqual([4]);
  });

  it.each([null, ...AXES])('stays within the range of a slice, with the separate axis %s', (separate) => {
    const shape: Triple = [6, 7, 8];
    const image = randomImage(voxels(shape), 3).map((value) => Math.sign(value));
    // One slice is larger than the others: what overshoots there would still be in the range of the volume.
    const inSlice = (i: number, size: Triple): boolean =>
      separate !== null && Math.floor(i / voxels(size.slice(separate + 1))) % size[separate] === 2;
    const scaled = image.map((value, i) => (inSlice(i, shape) ? 10 * value : value));
    const target = triple((axis) => (axis === separate ? shape[axis] : 2 * shape[axis] + 1));
    const result = resampleImage(scaled, shape, target, { order: 3, separate, orderZ: 0 });
    let clamped = 0;
    for (const [i, value] of result.entries()) {
      const limit = inSlice(i, target) ? 10 : 1;
      expect(Math.abs(value)).toBeLessThanOrEqual(limit);
      clamped += Number(Math.abs(value) === limit);
    }
    expect(clamped).toBeGreaterThan(0);
  });

  it.each([2, 4, 5, -1, 1.5, Number.NaN])('refuses order %d', (order) => {
    const image = new Float32Array(8);
    const wrong = order as 3;
    expect(() => resampleImage(image, [2, 2, 2], [3, 3, 3], { ...SPLINE, order: wrong })).toThrow(RangeError);
    expect(() => resampleImage(image, [2, 2, 2], [3, 3, 3], { ...SPLINE, orderZ: wrong })).toThrow(RangeError);
    expect(() => resampleLabels(new Int8Array(8), [2, 2, 2], [3, 3, 3], { order: wrong as 1, separate: null })).toThrow(RangeError);
  });

  it('refuses a target without voxels', () => {
    expect(() => resampleImage(new Float32Array(1), [1, 1, 1], [0, 1, 1], SPLINE)).toThrow('resampled to [0, 1, 1] voxels');
    expect(() => resampleLabels(new Int8Array(1), [1, 1, 1], [1, 0, 1], { order: 1, separate: null })).toThrow(RangeError);
  });

  it.each<[string, Triple, Triple, Axis | null]>([
    ['all grow', [5, 6, 7], [8, 9, 17], null],
    ['all shrink', [17, 16, 15], [4, 5, 6], null],
    ['first shrinks', [20, 5, 6], [3, 9, 12], null],
    ['last shrinks', [5, 6, 20], [9, 11, 3], null],
    ['middle stays', [6, 9, 5], [9, 9, 3], null],
    ['sizes around four', [3, 4, 5], [4, 5, 3], null],
    ['separate slices are left out', [12, 6, 7], [5, 9, 4], 0],
    ['separate slices are repeated', [5, 6, 12], [7, 9, 25], 2],
    ['only a separate axis', [6, 7, 8], [6, 11, 8], 1],
    ['lines for which the usual memory is too small', [1, 1, 90_000], [1, 1, 61_001], null],
    ['far fewer', [40, 40, 40], [2, 1, 3], null],
  ])('agrees with the definition: %s', (_, shape, target, separate) => {
    const image = randomImage(voxels(shape), 5);
    const options: ImageResampling = { order: 3, separate, orderZ: 0 };
    expect(farthest(resampleImage(image, shape, target, options), reference(image, shape, target, options))).toBeLessThan(2e-6);
  });

  it('agrees with the definition for any shape and order', () => {
    const draw = numbers(11);
    const size = (): number => 1 + draw(draw(3) === 0 ? 40 : 12);
    for (let run = 0; run < 150; run++) {
      const shape = triple(size);
      const target = triple((axis) => (draw(5) === 0 ? shape[axis] : size()));
      const orders = [0, 1, 3] as const;
      const options: ImageResampling = { order: orders[draw(3)], separate: ([null, ...AXES] as const)[draw(4)], orderZ: orders[draw(3)] };
      const image = randomImage(voxels(shape), run);
      const far = farthest(resampleImage(image, shape, target, options), reference(image, shape, target, options));
      expect(far, `${shape} to ${target}, ${JSON.stringify(options)}`).toBeLessThan(3e-6);
    }
  });
});

describe('resizeAxis', () => {
  // More lines than the kernel is given at once.
  it.each<[string, Pick<AxisPass, 'outer' | 'from' | 'to' | 'inner'>]>([
    ['grows along the first axis', { outer: 1, from: 30, to: 41, inner: 22_651 }],
    ['shrinks along the first axis', { outer: 1, from: 41, to: 30, inner: 22_651 }],
    ['grows along a middle axis', { outer: 7, from: 30, to: 41, inner: 7_403 }],
    ['shrinks along a middle axis', { outer: 7, from: 41, to: 30, inner: 7_403 }],
    ['grows along the last axis', { outer: 22_651, from: 30, to: 41, inner: 1 }],
    ['shrinks along the last axis', { outer: 22_651, from: 41, to: 30, inner: 1 }],
  ])('%s, also in place, each line for itself', (_, size) => {
    const pass: AxisPass = { ...size, order: 3, clamp: null };
    const { outer, from, to, inner } = pass;
    const source = randomImage(outer * from * inner, 7);
    const target = new Float32Array(outer * to * inner);
    resizeAxis(source, target, pass);

    const array = new Float32Array(Math.max(source.length, target.length));
    array.set(source);
    resizeAxis(array, array, pass);
    expect(Buffer.from(target.buffer).equals(Buffer.from(array.buffer, 0, target.byteLength))).toBe(true);

    const draw = numbers(8);
    for (const line of [0, outer * inner - 1, ...Array.from({ length: 50 }, () => draw(outer * inner))]) {
      const [group, i] = [Math.floor(line / inner), line % inner];
      const alone = (data: Float32Array, length: number): Float32Array =>
        Float32Array.from({ length }, (_, k) => data[(group * length + k) * inner + i]);
      const expected = new Float32Array(to);
      resizeAxis(alone(source, from), expected, { ...pass, outer: 1, inner: 1 });
      expect(alone(target, to)).toEqual(expected);
    }
  });
});

describe('resampleLabels', () => {
  it.each(AXES)('resamples a row along axis %i', (axis) => {
    const row = Int8Array.of(0, 0, 1, 1, 2, 2);
    expect([...resampleLabels(row, along(axis, 6), along(axis, 9), { order: 1, separate: null })]).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2]);
  });

  it.each(AXES)('takes the nearest slice along a separate axis %i', (axis) => {
    const slices = Int16Array.of(5, 300, -1, 3);
    const result = resampleLabels(slices, along(axis, 4), along(axis, 7), { order: 1, separate: axis });
    expect([...result]).toEqual([5, 5, 300, -1, -1, 3, 3]);
  });

  it('returns the array itself where the shape is the same', () => {
    const labels = Int8Array.of(1, 2, 3, 4);
    expect(resampleLabels(labels, [1, 2, 2], [1, 2, 2], { order: 1, separate: null })).toBe(labels);
  });

  it.each([Int8Array, Int16Array])('keeps the type of %o', (Labels) => {
    expect(resampleLabels(new Labels(8), [2, 2, 2], [3, 3, 3], { order: 1, separate: null })).toBeInstanceOf(Labels);
  });

  const middleOf = (labels: number[], shape: Triple): number =>
    resampleLabels(Int8Array.from(labels), shape, [1, 1, 1], { order: 1, separate: null })[0];

  it('gives the nearest of labels that tie, the upper one where two are as near', () => {
    expect(middleOf([2, 1], [1, 1, 2])).toBe(1);
    expect(middleOf([-1, 0], [1, 1, 2])).toBe(0);
    expect(middleOf([1, 2, 3, 4], [1, 2, 2])).toBe(4);
    expect(middleOf([1, 1, 1, 3, 3, 2, 2, 2], [2, 2, 2])).toBe(2);
  });

  it('gives the lowest of labels that tie where the nearest is not one of them', () => {
    expect(middleOf([3, 1, 1, 1, 2, 2, 2, 3], [2, 2, 2])).toBe(1);
  });

  it('gives the label with the most weight where three meet and none has half', () => {
    expect(middleOf([1, 2, 3, 3, 1, 2], [1, 3, 2])).toBe(3);
    expect(middleOf([0, 3, 1, 3, 3, 1, 2, 2], [2, 2, 2])).toBe(3);
  });

  it('makes zeros of nothing', () => {
    expect([...resampleLabels(new Int8Array(0), [0, 2, 2], [1, 1, 3], { order: 1, separate: null })]).toEqual([0, 0, 0]);
  });

  it('takes the nearest label of order 0', () => {
    const labels = Int16Array.of(1, 2, 300, -4);
    expect([...resampleLabels(labels, [1, 2, 2], [1, 3, 2], { order: 0, separate: null })]).toEqual([1, 2, 300, -4, 300, -4]);
  });

  it('agrees with the definition for any shape', () => {
    const draw = numbers(13);
    const size = (): number => 1 + draw(draw(4) === 0 ? 40 : 10);
    let checked = 0;
    for (let run = 0; run < 150; run++) {
      const shape = triple(size);
      const target = triple((axis) => (draw(5) === 0 ? shape[axis] : size()));
      const separate = ([null, ...AXES] as const)[draw(4)];
      const order = draw(6) === 0 ? 0 : 1;
      const values = run % 2 === 0 ? [-1, 0, 1, 127] : [-1, 0, 2, 128, 32767, -32768];
      // Blocks of one label, so that there are places where neighbours agree and places where they do not.
      const labels = new (run % 2 === 0 ? Int8Array : Int16Array)(voxels(shape));
      for (let i = 0, label = 0; i < labels.length; i++) {
        if (draw(3) === 0) label = values[draw(values.length)];
        labels[i] = label;
      }
      const actual = resampleLabels(labels, shape, target, { order, separate });
      const { result, unsure } = referenceLabels(labels, shape, target, order, separate);
      const wrong = result.findIndex((label, i) => label !== actual[i] && !unsure.has(i));
      expect(wrong, `${shape} to ${target}, order ${order}, separate axis ${separate}`).toBe(-1);
      checked += result.length - unsure.size;
    }
    expect(checked).toBeGreaterThan(50_000);
  });
});
