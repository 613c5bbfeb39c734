import type { Triple } from '../common/geometry.ts';
import type { TargetArray } from '../shared-memory/target-array.ts';
import type { Drawing } from './drawing.ts';
import { outlineLabels } from './outlines.ts';
import { colourOf } from './palette.ts';
import { cutPlane } from './planes.ts';

/** A slice is enlarged by a whole factor to about this many pixels. */
const VIEW_PIXELS = 176;
/** Of outlines. */
const THICKNESS = 1.25;

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
  draw(drawing: Drawing, left: number, top: number): void;
}

/** Black and white of a picture. */
export type GreyWindow = readonly [dark: number, bright: number];

/** A slice across an axis at a position, with outlined labels. */
export function sliceView({ image, target, shape }: Patch, axis: number, position: number, [dark, bright]: GreyWindow): View {
  const scale = Math.max(1, Math.floor(VIEW_PIXELS / Math.max(...shape)));
  const { data, shape: size } = cutPlane(image, shape, axis, position);
  const { data: labels } = cutPlane(target, shape, axis, position);
  const [rows, columns] = size;
  const pixels = new Uint8Array(rows * columns);
  // Rows from the bottom up, as outlines have them.
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const value = data[(rows - 1 - row) * columns + column];
      pixels[row * columns + column] = Math.round(255 * Math.min(1, Math.max(0, (value - dark) / (bright - dark))));
    }
  const outlines = outlineLabels(labels, { rows, columns, width: scale, height: scale, inset: THICKNESS / 2 });
  return {
    width: columns * scale,
    height: rows * scale,
    draw: (drawing, left, top) => {
      drawing.grey(left, top, columns * scale, rows * scale, pixels, columns);
      for (const [label, lines] of outlines) drawing.lines(left, top, lines, THICKNESS, colourOf(label));
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
