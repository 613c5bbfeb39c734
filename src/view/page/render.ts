import { outlineLabels } from '../../pictures/outlines.ts';
import { type Colour, colourOf } from '../../pictures/palette.ts';
import type { Arrays } from './api.ts';

/** A slice to draw: rows as they are stored; the last is drawn on top, as in the sheets of `voxfeed inspect`. */
export interface Slice {
  image: Float32Array;
  labels: Int16Array | Int8Array | Uint8Array;
  rows: number;
  columns: number;
}

export function sliceOf(arrays: Arrays, { name, rows, columns }: { name: string; rows: number; columns: number }): Slice {
  return { image: arrays[`${name}.image`] as Float32Array, labels: arrays[`${name}.labels`] as Int16Array, rows, columns };
}

export const css = ([red, green, blue]: Colour, alpha = 1): string => `rgb(${red} ${green} ${blue} / ${alpha})`;

/** Small pictures, drawn once: on a graphics card they would only be in the way of whole volumes. */
const ON_CPU = { willReadFrequently: true };

/** Grey values, enlarged and smoothed by the browser. */
export function drawGrey(canvas: HTMLCanvasElement, { image, rows, columns }: Slice, [dark, bright]: readonly [number, number]): void {
  const small = new OffscreenCanvas(columns, rows);
  const pixels = new ImageData(columns, rows);
  const scale = 255 / (bright - dark);
  for (let row = 0; row < rows; row++) {
    const from = (rows - 1 - row) * columns;
    for (let column = 0; column < columns; column++) {
      const at = 4 * (row * columns + column);
      const grey = (image[from + column] - dark) * scale;
      pixels.data[at] = grey;
      pixels.data[at + 1] = grey;
      pixels.data[at + 2] = grey;
      pixels.data[at + 3] = 255;
    }
  }
  (small.getContext('2d', ON_CPU) as OffscreenCanvasRenderingContext2D).putImageData(pixels, 0, 0);
  const context = canvas.getContext('2d', ON_CPU) as CanvasRenderingContext2D;
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = 'high';
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
}

/** Outlined labels over it. */
export function drawOutlines(canvas: HTMLCanvasElement, { labels, rows, columns }: Slice, thickness: number): void {
  const context = canvas.getContext('2d', ON_CPU) as CanvasRenderingContext2D;
  const sizes = { rows, columns, width: canvas.width / columns, height: canvas.height / rows, inset: thickness / 2 };
  context.lineWidth = thickness;
  context.lineCap = 'round';
  for (const [label, lines] of outlineLabels(labels, sizes)) {
    context.beginPath();
    for (let i = 0; i < lines.length; i += 4) {
      context.moveTo(lines[i], lines[i + 1]);
      context.lineTo(lines[i + 2], lines[i + 3]);
    }
    context.strokeStyle = css(colourOf(label));
    context.stroke();
  }
}
