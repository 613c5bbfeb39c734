import type { Triple } from '../common/geometry.ts';
import type { TargetArray } from '../shared-memory/target-array.ts';
import type { Canvas } from './canvas.ts';
import { colourOf } from './palette.ts';

/** A slice is enlarged by a whole factor to about this many pixels. */
const VIEW_PIXELS = 176;

/** A patch to be seen. */
export interface Patch {
  /** The first channel, [z, y, x]. */
  image: Float32Array;
  target: TargetArray;
  shape: Triple;
}

/** A slice, enlarged, ready to be drawn. */
export interface View {
  width: number;
  height: number;
  draw(canvas: Canvas, left: number, top: number): void;
}

/** Black and white of a picture. */
export type GreyWindow = readonly [dark: number, bright: number];

/** A slice across an axis at a position, with outlined labels. */
export function sliceView({ image, target, shape }: Patch, axis: number, position: number, [dark, bright]: GreyWindow): View {
  const scale = Math.max(1, Math.floor(VIEW_PIXELS / Math.max(...shape)));
  const [down, across] = [0, 1, 2].filter((other) => other !== axis);
  const strides = [shape[1] * shape[2], shape[2], 1];
  const base = position * strides[axis];
  const [rows, columns] = [shape[down], shape[across]];
  // Rows from the bottom up: in the usual orientation, front and top of the head come out on top.
  const at = (row: number, column: number): number => base + (rows - 1 - row) * strides[down] + column * strides[across];
  return {
    width: columns * scale,
    height: rows * scale,
    draw: (canvas, left, top) => {
      for (let y = 0; y < rows * scale; y++) {
        for (let x = 0; x < columns * scale; x++) {
          const value = interpolate(image, at, rows, columns, (y + 0.5) / scale - 0.5, (x + 0.5) / scale - 0.5);
          const grey = Math.round(255 * Math.min(1, Math.max(0, (value - dark) / (bright - dark))));
          const edge = outline(target, at, rows, columns, y, x, scale);
          canvas.pixel(left + x, top + y, edge > 0 ? colourOf(edge) : [grey, grey, grey]);
        }
      }
    },
  };
}

/** The grey values of the darkest and the brightest percent. */
export function greyWindow(image: Float32Array): GreyWindow {
  const sorted = image.slice().sort();
  const dark = sorted[Math.floor(sorted.length * 0.01)];
  const bright = sorted[Math.floor((sorted.length - 1) * 0.99)];
  return [dark, bright > dark ? bright : dark + 1];
}

/** Where a slice across an axis has most foreground; the middle where there is none. */
export function slicePosition({ target, shape }: Patch, axis: number): number {
  const counts = new Uint32Array(shape[axis]);
  const strides = [shape[1] * shape[2], shape[2], 1];
  for (let i = 0; i < target.length; i++) if (target[i] > 0) counts[Math.floor(i / strides[axis]) % shape[axis]]++;
  const most = Math.max(...counts);
  return most === 0 ? Math.floor(shape[axis] / 2) : counts.indexOf(most);
}

function interpolate(
  image: Float32Array,
  at: (row: number, column: number) => number,
  rows: number,
  columns: number,
  y: number,
  x: number,
): number {
  const row = Math.min(Math.max(y, 0), rows - 1);
  const column = Math.min(Math.max(x, 0), columns - 1);
  const top = Math.floor(row);
  const left = Math.floor(column);
  const bottom = Math.min(top + 1, rows - 1);
  const right = Math.min(left + 1, columns - 1);
  const upper = image[at(top, left)] + (image[at(top, right)] - image[at(top, left)]) * (column - left);
  const lower = image[at(bottom, left)] + (image[at(bottom, right)] - image[at(bottom, left)]) * (column - left);
  return upper + (lower - upper) * (row - top);
}

/** The label whose outline passes through an enlarged pixel, or 0: pixels at the rim of a voxel beside another label. */
function outline(
  target: TargetArray,
  at: (row: number, column: number) => number,
  rows: number,
  columns: number,
  y: number,
  x: number,
  scale: number,
): number {
  const row = Math.floor(y / scale);
  const column = Math.floor(x / scale);
  const label = target[at(row, column)];
  if (label <= 0) return 0;
  const differs = (r: number, c: number): boolean => r < 0 || c < 0 || r >= rows || c >= columns || target[at(r, c)] !== label;
  const inRow = y % scale;
  const inColumn = x % scale;
  const atRim =
    (inRow === 0 && differs(row - 1, column)) ||
    (inRow === scale - 1 && differs(row + 1, column)) ||
    (inColumn === 0 && differs(row, column - 1)) ||
    (inColumn === scale - 1 && differs(row, column + 1));
  return atRim ? label : 0;
}
