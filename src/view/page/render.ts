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

/** Outlines along the edges of voxels, each inside of its own label, so that neighbours do not hide each other's. */
export function drawOutlines(canvas: HTMLCanvasElement, { labels, rows, columns }: Slice, width: number): void {
  const context = canvas.getContext('2d', ON_CPU) as CanvasRenderingContext2D;
  const [across, down] = [canvas.width / columns, canvas.height / rows];
  const paths = new Map<number, Path2D>();
  const at = (row: number, column: number): number =>
    row < 0 || column < 0 || row >= rows || column >= columns ? -1 : labels[(rows - 1 - row) * columns + column];
  const inset = width / 2;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const label = at(row, column);
      if (label <= 0) continue;
      const [left, top] = [column * across, row * down];
      const [right, bottom] = [left + across, top + down];
      const line = (x0: number, y0: number, x1: number, y1: number): void => {
        const path = paths.get(label) ?? new Path2D();
        paths.set(label, path);
        path.moveTo(x0, y0);
        path.lineTo(x1, y1);
      };
      if (at(row - 1, column) !== label) line(left, top + inset, right, top + inset);
      if (at(row + 1, column) !== label) line(left, bottom - inset, right, bottom - inset);
      if (at(row, column - 1) !== label) line(left + inset, top, left + inset, bottom);
      if (at(row, column + 1) !== label) line(right - inset, top, right - inset, bottom);
    }
  }
  context.lineWidth = width;
  context.lineCap = 'round';
  for (const [label, path] of paths) {
    context.strokeStyle = css(colourOf(label));
    context.stroke(path);
  }
}
