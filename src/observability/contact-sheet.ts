import type { Batch } from '../batch.ts';
import { isAnnotated, type LabelClass } from '../dataset/labels.ts';
import { type Triple, voxels } from '../geometry.ts';
import { Canvas, type Colour } from './canvas.ts';
import { GLYPH_HEIGHT, GLYPH_WIDTH } from './font.ts';

const BACKGROUND: Colour = [24, 26, 30];
const INK: Colour = [214, 218, 224];
const FORCED: Colour = [255, 158, 44];
const FRAME: Colour = [62, 67, 76];
/** Told apart by people who see red and green alike, too (after Okabe and Ito). */
const LABEL_COLOURS: Colour[] = [
  [86, 204, 255],
  [255, 214, 64],
  [0, 214, 160],
  [255, 120, 200],
  [160, 150, 255],
  [255, 110, 70],
];

const MARGIN = 14;
const GAP = 4;
const LINE = GLYPH_HEIGHT + 7;
/** A slice is enlarged by a whole factor to about this many pixels. */
const VIEW_PIXELS = 176;
/** Width over height that a sheet aims at. */
const ASPECT = 1.6;

/** One sample as the sheet shows it. Arrays are copies: a sheet outlives its batches. */
export interface SheetSample {
  /** The first channel, [z, y, x]. */
  image: Float32Array;
  target: Int16Array;
  shape: Triple;
  caption: string;
  forced: boolean;
}

/** Copies what a sheet shows out of a batch. */
export function sheetSamples(batch: Batch, classes: readonly LabelClass[]): SheetSample[] {
  const spatial = batch.dataShape.slice(2);
  const shape = (spatial.length === 2 ? [1, ...spatial] : spatial) as Triple;
  const count = voxels(shape);
  const channels = batch.dataShape[1];
  return batch.plans.map(({ forced, classNumber }, slot) => ({
    image: batch.data.slice(slot * channels * count, slot * channels * count + count),
    target: batch.target.slice(slot * count, (slot + 1) * count),
    shape,
    forced,
    caption: `${batch.keys[slot]}: ${describe(forced, classNumber === null ? null : classes[classNumber].name)}`,
  }));
}

function describe(forced: boolean, className: string | null): string {
  if (!forced) return 'random';
  return className === null ? 'forced, no foreground in case' : `forced ${className}`;
}

/**
 * Draws samples as PNG: for each, one slice across every axis (the one with most foreground, else the middle), outlined labels,
 * an orange frame where foreground was forced.
 */
export function drawContactSheet(title: string, samples: readonly SheetSample[], classes: readonly LabelClass[]): Uint8Array {
  const cells = samples.map(toViews);
  const [first] = cells;
  const cellWidth = first.reduce((sum, view) => sum + view.width + GAP, -GAP);
  const cellHeight = Math.max(...first.map(({ height }) => height)) + LINE;
  const columns = Math.min(samples.length, Math.max(1, Math.round(Math.sqrt((samples.length * cellHeight * ASPECT) / cellWidth))));
  const rows = Math.ceil(samples.length / columns);
  const header = 2 * LINE + MARGIN;
  const legend = legendOf(classes);
  const width = Math.max(columns * (cellWidth + MARGIN) + MARGIN, 2 * MARGIN + GLYPH_WIDTH * title.length);
  const canvas = new Canvas(width, header + rows * (cellHeight + MARGIN) + MARGIN, BACKGROUND);

  canvas.text(MARGIN, MARGIN, title, INK);
  let x = MARGIN;
  for (const { name, colour } of legend) {
    canvas.rectangle(x, MARGIN + LINE, GLYPH_HEIGHT, GLYPH_HEIGHT, colour);
    canvas.text(x + GLYPH_HEIGHT + 4, MARGIN + LINE, name, INK);
    x += GLYPH_HEIGHT + 18 + GLYPH_WIDTH * name.length;
  }
  cells.forEach((views, i) => {
    const left = MARGIN + (i % columns) * (cellWidth + MARGIN);
    const top = header + Math.floor(i / columns) * (cellHeight + MARGIN) + LINE;
    const { caption, forced } = samples[i];
    const fitting = Math.floor(cellWidth / GLYPH_WIDTH);
    canvas.text(left, top - LINE, caption.slice(0, fitting), forced ? FORCED : INK);
    let at = left;
    for (const view of views) {
      view.draw(canvas, at, top);
      canvas.frame(at, top, view.width, view.height, forced ? 2 : 1, forced ? FORCED : FRAME);
      at += view.width + GAP;
    }
  });
  return canvas.png();
}

function legendOf(classes: readonly LabelClass[]): { name: string; colour: Colour }[] {
  const shown = classes.filter((entry) => !isAnnotated(entry) && entry.labels.length === 1).slice(0, LABEL_COLOURS.length);
  return [...shown.map(({ name, labels }) => ({ name, colour: colourOf(labels[0]) })), { name: 'forced foreground', colour: FORCED }];
}

function colourOf(label: number): Colour {
  return LABEL_COLOURS[(label - 1) % LABEL_COLOURS.length];
}

/** A slice, enlarged, ready to be drawn. */
interface View {
  width: number;
  height: number;
  draw(canvas: Canvas, left: number, top: number): void;
}

function toViews(sample: SheetSample): View[] {
  const { shape } = sample;
  const axes = shape[0] === 1 ? [0] : [0, 1, 2];
  const scale = Math.max(1, Math.floor(VIEW_PIXELS / Math.max(...shape)));
  const [dark, bright] = window(sample.image);
  return axes.map((axis) => {
    const [down, across] = [0, 1, 2].filter((other) => other !== axis);
    const strides = [shape[1] * shape[2], shape[2], 1];
    const base = slicePosition(sample, axis) * strides[axis];
    const [rows, columns] = [shape[down], shape[across]];
    // Rows from the bottom up: in the usual orientation, front and top of the head come out on top.
    const at = (row: number, column: number): number => base + (rows - 1 - row) * strides[down] + column * strides[across];
    return {
      width: columns * scale,
      height: rows * scale,
      draw: (canvas, left, top) => {
        for (let y = 0; y < rows * scale; y++) {
          for (let x = 0; x < columns * scale; x++) {
            const value = interpolate(sample.image, at, rows, columns, (y + 0.5) / scale - 0.5, (x + 0.5) / scale - 0.5);
            const grey = Math.round(255 * Math.min(1, Math.max(0, (value - dark) / (bright - dark))));
            const edge = outline(sample.target, at, rows, columns, y, x, scale);
            canvas.pixel(left + x, top + y, edge > 0 ? colourOf(edge) : [grey, grey, grey]);
          }
        }
      },
    };
  });
}

/** The grey values of the darkest and the brightest percent. */
function window(image: Float32Array): [number, number] {
  const sorted = image.slice().sort();
  const dark = sorted[Math.floor(sorted.length * 0.01)];
  const bright = sorted[Math.floor((sorted.length - 1) * 0.99)];
  return [dark, bright > dark ? bright : dark + 1];
}

function slicePosition({ target, shape }: SheetSample, axis: number): number {
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
  target: Int16Array,
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
