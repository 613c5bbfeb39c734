import { beforeEach, describe, expect, it } from 'vitest';
import { bindKernels, KERNEL_BYTES, type LabelTask, type LineTask } from '../../src/kernels/kernels.ts';
import { numbers } from '../fixtures/raw-dataset.ts';

const memory = new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true });
const kernels = bindKernels(memory);
const SCRATCH_LINES = 16;
const POISON = 0xa5;

let end: number;
let draw: (count: number) => number;

/** A new area, filled with bytes that a test can recognise, and some free bytes after it. */
function area(bytes: number): number {
  const start = end;
  end += Math.ceil(bytes / 16) * 16 + 64;
  return start;
}

const floats = (pointer: number, count: number): Float32Array => new Float32Array(memory.buffer, pointer, count);
const real = (): number => draw(2001) / 1000 - 1;

beforeEach(() => {
  new Uint8Array(memory.buffer, KERNEL_BYTES).fill(POISON);
  end = KERNEL_BYTES;
  draw = numbers(21);
});

/** The bytes that none of the areas [start, bytes] holds. */
function expectUntouched(areas: [number, number][]): void {
  const bytes = new Uint8Array(memory.buffer).slice();
  for (const [start, size] of areas) bytes.fill(POISON, start, start + size);
  expect(bytes.subarray(KERNEL_BYTES).every((byte) => byte === POISON)).toBe(true);
}

describe('transpose', () => {
  it.each([
    [1, 1],
    [3, 5],
    [4, 4],
    [5, 4],
    [4, 7],
    [8, 12],
    [13, 31],
  ])('%i x %i', (rows, columns) => {
    const source = { pointer: area(4 * rows * (columns + 1)), row: 4 * (columns + 1) };
    const target = { pointer: area(4 * columns * (rows + 3)), row: 4 * (rows + 3) };
    const from = floats(source.pointer, rows * (columns + 1)).map(() => real());
    floats(source.pointer, from.length).set(from);
    const before = new Uint8Array(memory.buffer).slice();
    kernels.transpose(source, target, rows, columns);
    const expected = new Float32Array(before.buffer);
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++)
        expected[target.pointer / 4 + column * (rows + 3) + row] = from[row * (columns + 1) + column];
    expect(Buffer.from(memory.buffer).equals(Buffer.from(before))).toBe(true);
  });
});

describe.each([4, 8, 12, 16, 20, 44])('resampleLines, %i lines', (lines) => {
  function prepare(from: number, to: number, spline: boolean): LineTask {
    const task: LineTask = {
      lines,
      from,
      to,
      source: area(4 * from * lines),
      target: area(4 * to * lines),
      taps: area(4 * to),
      weights: area(32 * to),
      lower: area(4 * lines),
      upper: area(4 * lines),
      scratch: area(8 * SCRATCH_LINES * (from + 4)),
      spline,
    };
    floats(task.source, from * lines).set(Array.from({ length: from * lines }, real));
    floats(task.lower, lines).fill(-Infinity);
    floats(task.upper, lines).fill(Infinity);
    return task;
  }

  const setTaps = ({ taps, weights, to }: LineTask, of: (i: number) => { tap: number; four: number[] }): void => {
    for (let i = 0; i < to; i++) {
      new Int32Array(memory.buffer, taps, to)[i] = of(i).tap;
      new Float64Array(memory.buffer, weights, 4 * to).set(of(i).four, 4 * i);
    }
  };

  it.each([1, 2, 3, 17])('weighs four of %i samples, those at the ends going on', (from) => {
    const task = prepare(from, 9, false);
    const chosen = Array.from({ length: 9 }, (_, i) => ({ tap: (i % (from + 1)) - 1, four: [real(), real(), real(), real()] }));
    setTaps(task, (i) => chosen[i]);
    floats(task.lower, lines).fill(-1).fill(0, 2, 3);
    floats(task.upper, lines).fill(1).fill(0.25, 3, 4);
    kernels.resampleLines(task);
    const source = floats(task.source, from * lines);
    const result = floats(task.target, 9 * lines);
    for (const [i, { tap, four }] of chosen.entries()) {
      for (let line = 0; line < lines; line++) {
        const sum = four.reduce(
          (total, weight, k) => total + weight * source[Math.min(Math.max(tap - 1 + k, 0), from - 1) * lines + line],
          0,
        );
        const kept = Math.min(Math.max(sum, line === 2 ? 0 : -1), line === 3 ? 0.25 : 1);
        expect(result[i * lines + line]).toBeCloseTo(kept, 6);
      }
    }
    const { target, taps, weights, lower, upper, scratch } = task;
    expectUntouched([
      [task.source, 4 * from * lines],
      [target, 36 * lines],
      [taps, 36],
      [weights, 288],
      [lower, 4 * lines],
      [upper, 4 * lines],
      [scratch, 8 * SCRATCH_LINES * (from + 4)],
    ]);
  });

  it.each([1, 2, 3, 5, 40])('finds the spline through %i samples', (from) => {
    const task = prepare(from, from + 2, true);
    // At the samples, the one before the first and the one after the last, which are like their neighbours.
    setTaps(task, (i) => (i <= from ? { tap: i - 1, four: [1 / 6, 4 / 6, 1 / 6, 0] } : { tap: i - 2, four: [0, 1 / 6, 4 / 6, 1 / 6] }));
    kernels.resampleLines(task);
    const source = floats(task.source, from * lines);
    const result = floats(task.target, (from + 2) * lines);
    for (let i = 0; i < from + 2; i++) {
      for (let line = 0; line < lines; line++)
        expect(result[i * lines + line]).toBeCloseTo(source[Math.min(Math.max(i - 1, 0), from - 1) * lines + line], 6);
    }
  });
});

describe.each([1, 2])('resampleLabels into %i bytes', (bytes) => {
  it.each([8, 24, 64])('decides each label by its eight neighbours, of rows of %i', (width) => {
    const count = 50;
    const task: LabelTask = {
      rows: area(8 * width),
      width,
      target: area(bytes * count),
      count,
      bytes,
      lower: area(4 * count),
      upper: area(4 * count),
      near: area(4 * count),
      weights: area(16 * count),
      scratch: area(4 * width),
    };
    const rows = new Int16Array(memory.buffer, task.rows, 4 * width);
    const values = bytes === 1 ? [-1, 0, 127] : [-1, 0, 300, -32768, 32767];
    // The same down a column here, different ones there.
    for (let x = 0; x < width; x++)
      for (let row = 0, label = 0; row < 4; row++)
        rows[row * width + x] = label = row > 0 && x % 3 > 0 ? label : values[draw(values.length)];
    const lower = new Int32Array(memory.buffer, task.lower, count).map(() => draw(width));
    const upper = lower.map((x) => Math.min(x + draw(2), width - 1));
    const near = new Int32Array(memory.buffer, task.near, count).map((_, x) => (draw(2) === 0 ? lower[x] : upper[x]));
    const weights = Array.from({ length: count }, () => draw(9) / 8);
    new Int32Array(memory.buffer, task.lower, count).set(lower);
    new Int32Array(memory.buffer, task.upper, count).set(upper);
    new Int32Array(memory.buffer, task.near, count).set(near);
    for (let x = 0; x < count; x++) new Float64Array(memory.buffer, task.weights, 2 * count).set([weights[x], 1 - weights[x]], 2 * x);
    // Halves and quarters: ties are frequent, and exact.
    const rowWeights = [0.25, 0.25, 0.5, 0] as const;
    const nearRow = draw(4);
    kernels.resampleLabels(task, nearRow, rowWeights);

    const result = bytes === 1 ? new Int8Array(memory.buffer, task.target, count) : new Int16Array(memory.buffer, task.target, count);
    for (let x = 0; x < count; x++) {
      const sums = new Map<number, number>();
      for (let row = 0; row < 4; row++) {
        for (const [column, weight] of [[lower[x], weights[x]] as const, [upper[x], 1 - weights[x]] as const]) {
          const label = rows[row * width + column];
          sums.set(label, (sums.get(label) ?? 0) + rowWeights[row] * weight);
        }
      }
      const most = Math.max(...sums.values());
      const tied = [...sums].filter(([, sum]) => sum === most).map(([label]) => label);
      const own = rows[nearRow * width + near[x]];
      expect(result[x]).toBe(tied.includes(own) ? own : Math.min(...tied));
    }
    const sizes: [keyof LabelTask, number][] = [
      ['rows', 8 * width],
      ['target', bytes * count],
      ['lower', 4 * count],
      ['upper', 4 * count],
      ['near', 4 * count],
      ['weights', 16 * count],
      ['scratch', 4 * width],
    ];
    expectUntouched(sizes.map(([name, size]) => [task[name], size]));
  });
});
