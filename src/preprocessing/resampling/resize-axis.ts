import { Areas, kernelSpace } from '../../kernels/kernel-space.ts';
import type { Kernels, LineTask } from '../../kernels/kernels.ts';
import { type Order, tapsOf } from './taps.ts';

/** One axis of a volume in C order is to be resized: [outer][from][inner] becomes [outer][to][inner]. */
export interface AxisPass {
  outer: number;
  from: number;
  to: number;
  inner: number;
  order: Order;
  /** What results are kept within; null: anything. */
  clamp: Clamp | null;
}

/** A range of values per slice of the old volume; voxel p of it, in C order, is in slice floor(p / stride) mod their number. */
export interface Clamp {
  stride: number;
  lower: Float32Array;
  upper: Float32Array;
}

/** Bytes of lines, old and new, that are in the kernels' memory at a time. They should stay in a core's cache. */
const STAGED_BYTES = 2 * 1024 * 1024;

/**
 * Resizes one axis. `source` and `target` may be one array: no sample is overwritten before it was read.
 * Besides them it takes a few MB for each thread, more only for axes of many thousand samples.
 */
export function resizeAxis(source: Float32Array, target: Float32Array, pass: AxisPass): void {
  const { outer, from, to, inner } = pass;
  // Lines along the last axis do not lie side by side, as the kernel wants them: they are turned on the way.
  const turned = inner === 1;
  const groups = turned ? 1 : outer;
  const lines = turned ? outer : inner;
  const staged = new StagedLines(pass, lines, turned);
  const blocks = Math.ceil(lines / staged.task.lines);
  for (let i = 0; i < groups * blocks; i++) {
    // From the end where the axis grows: what is written in place then never lies before what is still to be read.
    const block = to > from ? groups * blocks - 1 - i : i;
    const group = Math.floor(block / blocks);
    const first = (block % blocks) * staged.task.lines;
    const count = Math.min(staged.task.lines, lines - first);
    if (turned) {
      if (pass.clamp) staged.clamp(pass.clamp, first * from, from, count);
      staged.resizeRows(source.subarray(first * from, (first + count) * from), target, first * to, count);
    } else {
      const start = group * from * inner + first;
      if (pass.clamp) staged.clamp(pass.clamp, start, 1, count);
      staged.resizeColumns(source, start, target, group * to * inner + first, inner, count);
    }
  }
}

/** A block of lines in the kernels' memory. */
class StagedLines {
  readonly task: LineTask;
  private readonly rows: number;
  private readonly kernels: Kernels;
  private readonly floats: Float32Array;

  constructor({ from, to, order }: AxisPass, lines: number, turned: boolean) {
    const most = Math.max(4, STAGED_BYTES / 4 / (from + to));
    const width = 4 * Math.ceil(lines / Math.ceil(lines / most) / 4);
    const areas = new Areas();
    this.task = {
      lines: width,
      from,
      to,
      source: areas.take(4 * from * width),
      target: areas.take(4 * to * width),
      taps: areas.take(4 * to),
      weights: areas.take(4 * 8 * to),
      lower: areas.take(4 * width),
      upper: areas.take(4 * width),
      scratch: areas.take(16 * 8 * (from + 4)),
      spline: order === 3,
    };
    this.rows = turned ? areas.take(4 * Math.max(from, to) * width) : 0;

    const { kernels, buffer } = kernelSpace(areas.end);
    this.kernels = kernels;
    this.floats = new Float32Array(buffer);
    const { lower, weights } = tapsOf(order, from, to);
    new Int32Array(buffer, this.task.taps, to).set(lower);
    new Float64Array(buffer, this.task.weights, 4 * to).set(weights);
    this.floats.fill(-Infinity, this.task.lower / 4, this.task.lower / 4 + width);
    this.floats.fill(Infinity, this.task.upper / 4, this.task.upper / 4 + width);
  }

  /** For lines that start at `start`, `start + step` … of the old volume. */
  clamp({ stride, lower, upper }: Clamp, start: number, step: number, count: number): void {
    for (let line = 0; line < count; line++) {
      const slice = Math.floor((start + line * step) / stride) % lower.length;
      this.floats[this.task.lower / 4 + line] = lower[slice];
      this.floats[this.task.upper / 4 + line] = upper[slice];
    }
  }

  /** Lines that lie side by side in an array whose rows are `inner` long. */
  resizeColumns(source: Float32Array, start: number, target: Float32Array, to: number, inner: number, count: number): void {
    const { task, floats } = this;
    for (let i = 0; i < task.from; i++) {
      const row = start + i * inner;
      floats.set(source.subarray(row, row + count), task.source / 4 + i * task.lines);
    }
    this.kernels.resampleLines(task);
    for (let i = 0; i < task.to; i++) {
      const row = task.target / 4 + i * task.lines;
      target.set(floats.subarray(row, row + count), to + i * inner);
    }
  }

  /** Lines one after the other. */
  resizeRows(source: Float32Array, target: Float32Array, to: number, count: number): void {
    const { task, floats, kernels, rows } = this;
    const stride = 4 * task.lines;
    floats.set(source, rows / 4);
    kernels.transpose({ pointer: rows, row: 4 * task.from }, { pointer: task.source, row: stride }, count, task.from);
    kernels.resampleLines(task);
    kernels.transpose({ pointer: task.target, row: stride }, { pointer: rows, row: 4 * task.to }, task.to, count);
    target.set(floats.subarray(rows / 4, rows / 4 + count * task.to), to);
  }
}
