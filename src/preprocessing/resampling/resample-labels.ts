import { AXES, type Axis, type Triple, voxels } from '../../common/geometry.ts';
import { Areas, kernelSpace } from '../../kernels/kernel-space.ts';
import type { Kernels, LabelTask } from '../../kernels/kernels.ts';
import { checkOrder, checkTarget } from './resample-checks.ts';
import { tapsOf, within } from './taps.ts';

export interface LabelResampling {
  order: 0 | 1;
  /** The axis of low resolution, along which the nearest label is taken. */
  separate: Axis | null;
}

/**
 * Resamples labels of shape [z, y, x] to the shape `target` as nnU-Net does. Of order 1, the label with the largest linear weight wins
 * (batchgenerators 0.25.5); between equal ones, to the last bit, that of the nearest sample if it is one of them, else the lowest.
 * -1 is a label like any other. All labels at once: where the neighbours of a voxel agree, as nearly everywhere, there is nothing to
 * weigh. Takes the result and a few rows; where the shape is the same, `labels` itself comes back, and 0 where there are none.
 * @throws RangeError for an order other than 0 and 1, and for a target without voxels.
 */
export function resampleLabels<T extends Int8Array | Int16Array>(labels: T, shape: Triple, target: Triple, options: LabelResampling): T {
  checkOrder(options.order, 'order for labels', [0, 1]);
  checkTarget(target);
  if (shape.every((size, axis) => size === target[axis])) return labels;
  const [inZ, inY, inX] = AXES.map((axis) => neighbours(axis === options.separate ? 0 : options.order, shape[axis], target[axis]));
  const Labels = labels.constructor as unknown as LabelArray<T>;
  const result = new Labels(voxels(target));
  if (labels.length === 0) return result;
  const [, height, width] = shape;
  const staged = new StagedRows(Labels, width, inX);
  for (let z = 0, at = 0; z < target[0]; z++) {
    for (let y = 0; y < target[1]; y++, at += target[2]) {
      for (let row = 0; row < 4; row++) {
        const inRow = (row < 2 ? inZ.lower : inZ.upper)[z] * height + (row % 2 === 0 ? inY.lower : inY.upper)[y];
        staged.read(labels, inRow * width, row);
      }
      const nearRow = (inZ.near[z] === inZ.lower[z] ? 0 : 2) + (inY.near[y] === inY.lower[y] ? 0 : 1);
      staged.resample(nearRow, [inZ.weights[2 * z], inZ.weights[2 * z + 1]], [inY.weights[2 * y], inY.weights[2 * y + 1]]);
      result.set(staged.target, at);
    }
  }
  return result;
}

/** The two old samples around each new one and their weights, [to][2]; they are the same where only one of them counts. */
interface Neighbours {
  lower: Int32Array;
  upper: Int32Array;
  /** Which of the two is the nearest. */
  near: Int32Array;
  weights: Float64Array;
}

function neighbours(order: 0 | 1, from: number, to: number): Neighbours {
  const taps = tapsOf(order, from, to);
  const weights = new Float64Array(2 * to);
  for (let i = 0; i < to; i++) weights.set(taps.weights.subarray(4 * i + 1, 4 * i + 3), 2 * i);
  return {
    lower: taps.lower.map((sample) => within(sample, from)),
    upper: taps.lower.map((sample, i) => within(weights[2 * i + 1] === 0 ? sample : sample + 1, from)),
    near: tapsOf(0, from, to).lower,
    weights,
  };
}

/** The four rows around a new row and itself, in the kernels' memory. */
class StagedRows<T extends Int8Array | Int16Array> {
  readonly target: T;
  private readonly kernels: Kernels;
  private readonly task: LabelTask;
  /** As they are in the volume, [4][width of the task]. */
  private readonly rows: T;
  /** Where they came from. */
  private readonly starts = [-1, -1, -1, -1];
  private readonly width: number;

  constructor(Labels: LabelArray<T>, width: number, { lower, upper, near, weights }: Neighbours) {
    const areas = new Areas();
    const bytes = Labels.BYTES_PER_ELEMENT;
    const count = lower.length;
    const padded = Math.ceil(width / 8) * 8;
    this.width = width;
    this.task = {
      rows: areas.take(2 * 4 * padded),
      width: padded,
      target: areas.take(bytes * count),
      count,
      bytes,
      lower: areas.take(4 * count),
      upper: areas.take(4 * count),
      near: areas.take(4 * count),
      weights: areas.take(8 * 2 * count),
      scratch: areas.take(4 * padded),
    };
    // The kernel takes int16.
    const rows = bytes === 1 ? areas.take(4 * padded) : this.task.rows;
    const { kernels, buffer } = kernelSpace(areas.end);
    this.kernels = kernels;
    this.rows = new Labels(buffer, rows, 4 * padded);
    this.target = new Labels(buffer, this.task.target, count);
    new Int32Array(buffer, this.task.lower, count).set(lower);
    new Int32Array(buffer, this.task.upper, count).set(upper);
    new Int32Array(buffer, this.task.near, count).set(near);
    new Float64Array(buffer, this.task.weights, 2 * count).set(weights);
  }

  /** Copies the row of voxels from `start` on, unless it is there. */
  read(labels: T, start: number, row: number): void {
    if (this.starts[row] === start) return;
    this.starts[row] = start;
    this.rows.set(labels.subarray(start, start + this.width), row * this.task.width);
  }

  resample(nearRow: number, inZ: [number, number], inY: [number, number]): void {
    const { kernels, task, rows } = this;
    if (task.bytes === 1) {
      const [narrow, wide] = [rows.byteOffset, task.rows].map((pointer) => ({ pointer, row: 0, plane: 0 }));
      kernels.copyLabels(narrow, wide, 1, 1, 4 * task.width, { bytesPerVoxel: 1 });
    }
    kernels.resampleLabels(task, nearRow, [inZ[0] * inY[0], inZ[0] * inY[1], inZ[1] * inY[0], inZ[1] * inY[1]]);
  }
}

interface LabelArray<T> {
  readonly BYTES_PER_ELEMENT: number;
  new (length: number): T;
  new (buffer: SharedArrayBuffer, start: number, length: number): T;
}
