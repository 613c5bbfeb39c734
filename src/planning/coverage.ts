import { AXES, type Axis, type Box, type Triple, triple, voxels } from '../common/geometry.ts';
import { startRange } from '../common/patch-box.ts';
import { forEachRun } from '../raw/label-runs.ts';
import { foregroundOf, isAnnotated, type LabelClass } from '../raw/labels.ts';
import type { Coverage } from '../store/sidecar.ts';

/** Along each axis at most this many patch positions are looked at, evenly spread; with fewer, the result is exact. */
const MOST_POSITIONS = 64;

/**
 * Counts the positions of random patches (nnU-Net's bounds, every position alike) that hold foreground, with a summed-area
 * table over the bounding box of each class: outside it there is nothing to count.
 * @param segmentation labels [z, y, x] on the preprocessed grid
 */
export function measureCoverage(
  segmentation: Int8Array | Int16Array,
  shape: Triple,
  patch: Triple,
  classes: readonly LabelClass[],
): Coverage {
  return measureCoverages(segmentation, shape, [patch], classes)[0];
}

/** The same for patches of several sizes. */
export function measureCoverages(
  segmentation: Int8Array | Int16Array,
  shape: Triple,
  patches: readonly Triple[],
  classes: readonly LabelClass[],
): Coverage[] {
  const foreground = [...new Set(foregroundOf(classes).flatMap(({ labels }) => labels.filter((label) => label > 0)))];
  const boxes = boundingBoxes(segmentation, shape, Math.max(...foreground));
  return patches.map((patch) => {
    const positions = AXES.map((axis) => patchPositions(shape, patch, axis));
    const fraction = (labels: readonly number[]): number => {
      const present = labels.filter((label) => boxes[label] !== undefined);
      if (present.length === 0) return 0;
      const box = unite(present.map((label) => boxes[label]));
      const members = new Uint8Array(Math.max(...present) + 1);
      for (const label of present) members[label] = 1;
      const found = countPositions(segmentation, shape, { box, members, patch, positions });
      // The lattice may miss what is there, but 0 means that there is nothing.
      return Math.max(found, 1) / voxels(positions.map(({ length }) => length));
    };
    return { patch, any: fraction(foreground), classes: classes.map((entry) => (isAnnotated(entry) ? 0 : fraction(entry.labels))) };
  });
}

/** The bounding box of every label from 1 to `highest`, in one pass. */
function boundingBoxes(segmentation: Int8Array | Int16Array, [depth, height, width]: Triple, highest: number): Box[] {
  const boxes: Box[] = [];
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      const row = (z * height + y) * width;
      forEachRun(segmentation, row, row + width, (label, start, end) => {
        if (label <= 0 || label > highest) return;
        const [low, high] = [start - row, end - row];
        boxes[label] ??= { lower: [z, y, low], upper: [z + 1, y + 1, high] };
        const { lower, upper } = boxes[label];
        upper[0] = z + 1;
        if (y < lower[1]) lower[1] = y;
        else if (y >= upper[1]) upper[1] = y + 1;
        if (low < lower[2]) lower[2] = low;
        if (high > upper[2]) upper[2] = high;
      });
    }
  }
  return boxes;
}

function unite(boxes: readonly Box[]): Box {
  return {
    lower: triple((axis) => Math.min(...boxes.map(({ lower }) => lower[axis]))),
    upper: triple((axis) => Math.max(...boxes.map(({ upper }) => upper[axis]))),
  };
}

/** Lower ends of patches along one axis: all of them, or the middles of MOST_POSITIONS equal parts. */
function patchPositions(shape: Triple, patch: Triple, axis: number): number[] {
  const { lowest, highest } = startRange(shape, { read: patch, final: patch });
  const count = highest[axis] - lowest[axis] + 1;
  const taken = Math.min(count, MOST_POSITIONS);
  return Array.from({ length: taken }, (_, i) => lowest[axis] + Math.floor(((i + 0.5) * count) / taken));
}

/** What is looked for: members within a box, by patches at some positions. */
interface Search {
  box: Box;
  /** By label: 1 for those that count. */
  members: Uint8Array;
  patch: Triple;
  positions: readonly number[][];
}

/** How many positions there are at which a patch holds a member. */
function countPositions(segmentation: Int8Array | Int16Array, shape: Triple, { box, members, patch, positions }: Search): number {
  const { lower, upper } = box;
  // Along an axis on which every patch spans the box, it does not matter where in the box a member lies: one place stands for all.
  const spanned = AXES.map((axis) => positions[axis].every((start) => start <= lower[axis] && start + patch[axis] >= upper[axis]));
  const size = triple((axis) => (spanned[axis] ? 1 : upper[axis] - lower[axis]));
  const sums = summedArea(segmentation, shape, box, members, spanned, size);
  const plane = (size[2] + 1) * (size[1] + 1);
  /** Where a patch begins and ends among the places, as offsets into the table; patches that miss the box are left out. */
  const ends = (axis: Axis, stride: number): [number, number][] =>
    positions[axis]
      .map((start): [number, number] => (spanned[axis] ? [0, 1] : [start - lower[axis], start + patch[axis] - lower[axis]]))
      .map(([low, high]): [number, number] => [Math.max(low, 0), Math.min(high, size[axis])])
      .filter(([low, high]) => low < high)
      .map(([low, high]) => [low * stride, high * stride]);
  const [ends0, ends1, ends2] = [ends(0, plane), ends(1, size[2] + 1), ends(2, 1)];
  let count = 0;
  for (const [z0, z1] of ends0) {
    for (const [y0, y1] of ends1) {
      for (const [x0, x1] of ends2) {
        const high = sums[z1 + y1 + x1] - sums[z1 + y1 + x0] - sums[z1 + y0 + x1] + sums[z1 + y0 + x0];
        const low = sums[z0 + y1 + x1] - sums[z0 + y1 + x0] - sums[z0 + y0 + x1] + sums[z0 + y0 + x0];
        if (high > low) count++;
      }
    }
  }
  return count;
}

/** Entry (z, y, x) is how many places below it along all axes hold members; one larger than the places along each axis. */
function summedArea(
  segmentation: Int8Array | Int16Array,
  [, height, width]: Triple,
  { lower, upper }: Box,
  members: Uint8Array,
  spanned: readonly boolean[],
  size: Triple,
): Uint32Array {
  const [depth, rows, columns] = size.map((places) => places + 1);
  const sums = new Uint32Array(depth * rows * columns);
  const strides = [spanned[0] ? 0 : rows * columns, spanned[1] ? 0 : columns, spanned[2] ? 0 : 1];
  for (let z = lower[0]; z < upper[0]; z++) {
    for (let y = lower[1]; y < upper[1]; y++) {
      let i = (z * height + y) * width + lower[2];
      const end = i + upper[2] - lower[2];
      // The places begin behind zeros.
      let at = (rows + 1) * columns + 1 + (z - lower[0]) * strides[0] + (y - lower[1]) * strides[1];
      if (spanned[2] && sums[at] === 1) continue;
      for (; i < end; i++, at += strides[2]) {
        if (segmentation[i] <= 0 || members[segmentation[i]] !== 1) continue;
        sums[at] = 1;
        if (spanned[2]) break;
      }
    }
  }
  for (let z = 1; z < depth; z++) {
    for (let y = 1; y < rows; y++) {
      let at = (z * rows + y) * columns + 1;
      let row = 0;
      for (let x = 1; x < columns; x++, at++) {
        row += sums[at];
        sums[at] = row + sums[at - columns] + sums[at - rows * columns] - sums[at - rows * columns - columns];
      }
    }
  }
  return sums;
}
