import { AXES, type Axis, type Box, type Triple, triple, voxels } from '../common/geometry.ts';
import { startRange } from '../common/patch-box.ts';
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
  const foreground = foregroundOf(classes).flatMap(({ labels }) => labels.filter((label) => label > 0));
  const boxes = boundingBoxes(segmentation, shape, Math.max(...foreground));
  const positions = AXES.map((axis) => patchPositions(shape, patch, axis));
  const fraction = (labels: readonly number[]): number => {
    const present = labels.filter((label) => boxes[label] !== undefined);
    if (present.length === 0) return 0;
    const box = unite(present.map((label) => boxes[label]));
    const members = new Uint8Array(Math.max(...present) + 1);
    for (const label of present) members[label] = 1;
    const found = countPositions(summedArea(segmentation, shape, box, members), box, patch, positions);
    // The lattice may miss what is there, but 0 means that there is nothing.
    return Math.max(found, 1) / voxels(positions.map(({ length }) => length));
  };
  return {
    patch,
    any: fraction([...new Set(foreground)]),
    classes: classes.map((entry) => (isAnnotated(entry) ? 0 : fraction(entry.labels))),
  };
}

/** The bounding box of every label from 1 to `highest`, in one pass. */
function boundingBoxes(segmentation: Int8Array | Int16Array, [depth, height, width]: Triple, highest: number): Box[] {
  const boxes: Box[] = [];
  let i = 0;
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i++) {
        const label = segmentation[i];
        if (label <= 0 || label > highest) continue;
        boxes[label] ??= { lower: [z, y, x], upper: [z + 1, y + 1, x + 1] };
        const { lower, upper } = boxes[label];
        upper[0] = z + 1;
        if (y < lower[1]) lower[1] = y;
        else if (y >= upper[1]) upper[1] = y + 1;
        if (x < lower[2]) lower[2] = x;
        else if (x >= upper[2]) upper[2] = x + 1;
      }
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

/** Entry (z, y, x) is the number of member voxels of the box below it along all axes; one larger than the box. */
function summedArea(
  segmentation: Int8Array | Int16Array,
  [, height, width]: Triple,
  { lower, upper }: Box,
  members: Uint8Array,
): Uint32Array {
  const [depth, rows, columns] = AXES.map((axis) => upper[axis] - lower[axis] + 1);
  const sums = new Uint32Array(depth * rows * columns);
  for (let z = 1; z < depth; z++) {
    for (let y = 1; y < rows; y++) {
      let i = ((lower[0] + z - 1) * height + lower[1] + y - 1) * width + lower[2];
      let at = (z * rows + y) * columns + 1;
      let row = 0;
      for (let x = 1; x < columns; x++, i++, at++) {
        const label = segmentation[i];
        if (label > 0 && members[label] === 1) row++;
        sums[at] = row + sums[at - columns] + sums[at - rows * columns] - sums[at - rows * columns - columns];
      }
    }
  }
  return sums;
}

function countPositions(sums: Uint32Array, box: Box, patch: Triple, positions: readonly number[][]): number {
  const columns = box.upper[2] - box.lower[2] + 1;
  const plane = columns * (box.upper[1] - box.lower[1] + 1);
  /** Where a patch begins and ends inside the box, as offsets into the table; patches that miss the box are left out. */
  const ends = (axis: Axis, stride: number): [number, number][] =>
    positions[axis]
      .map((start): [number, number] => [Math.max(start, box.lower[axis]), Math.min(start + patch[axis], box.upper[axis])])
      .filter(([low, high]) => low < high)
      .map(([low, high]) => [(low - box.lower[axis]) * stride, (high - box.lower[axis]) * stride]);
  const [ends0, ends1, ends2] = [ends(0, plane), ends(1, columns), ends(2, 1)];
  let count = 0;
  for (const [z0, z1] of ends0) {
    for (const [y0, y1] of ends1) {
      for (const [x0, x1] of ends2) {
        const upper = sums[z1 + y1 + x1] - sums[z1 + y1 + x0] - sums[z1 + y0 + x1] + sums[z1 + y0 + x0];
        const lower = sums[z0 + y1 + x1] - sums[z0 + y1 + x0] - sums[z0 + y0 + x1] + sums[z0 + y0 + x0];
        if (upper > lower) count++;
      }
    }
  }
  return count;
}
