import { type Triple, voxels } from '../common/geometry.ts';
import type { Batch } from '../loader/batch.ts';
import type { LabelClass } from '../raw/labels.ts';
import { Drawing, LINE, widthOf } from './drawing.ts';
import { drawLegend, legendOf, legendWidth } from './legend.ts';
import { outlinedLabels } from './outlined-labels.ts';
import { type Colour, FORCED } from './palette.ts';
import { greyWindow, type Patch, slicePosition, sliceView, type View } from './slice-view.ts';

const BACKGROUND: Colour = [24, 26, 30];
const INK: Colour = [214, 218, 224];
const FRAME: Colour = [62, 67, 76];
const MARGIN = 14;
const GAP = 4;
/** Width over height that a sheet aims at. */
const ASPECT = 1.6;

/** One sample as the sheet shows it. Arrays are copies: a sheet outlives its batches. */
export interface SheetSample extends Patch {
  caption: string;
  forced: boolean;
}

/** Copies what a sheet shows out of a batch. */
export function sheetSamples(batch: Batch, classes: readonly LabelClass[]): SheetSample[] {
  const spatial = batch.dataShape.slice(2);
  const shape = (spatial.length === 2 ? [1, ...spatial] : spatial) as Triple;
  const count = voxels(shape);
  const channels = batch.dataShape[1];
  const targets = batch.targetShape[1] * count;
  return batch.plans.map(({ forced, classNumber }, slot) => ({
    image: batch.data.slice(slot * channels * count, slot * channels * count + count),
    target: outlinedLabels(batch.target.slice(slot * targets, (slot + 1) * targets), batch.targetShape[1]),
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
export function drawContactSheet(title: string, samples: readonly SheetSample[], classes: readonly LabelClass[]): Promise<Uint8Array> {
  const cells = samples.map(toViews);
  const [first] = cells;
  const cellWidth = first.reduce((sum, view) => sum + view.width + GAP, -GAP);
  const cellHeight = Math.max(...first.map(({ height }) => height)) + LINE;
  const columns = Math.min(samples.length, Math.max(1, Math.round(Math.sqrt((samples.length * cellHeight * ASPECT) / cellWidth))));
  const rows = Math.ceil(samples.length / columns);
  const header = 2 * LINE + MARGIN;
  const legend = [...legendOf(classes, samples), { name: 'forced foreground', colour: FORCED }];
  const across = Math.max(columns * (cellWidth + MARGIN) - MARGIN, widthOf(title), legendWidth(legend));
  const drawing = new Drawing(2 * MARGIN + across, header + rows * (cellHeight + MARGIN) + MARGIN, BACKGROUND);

  drawing.text(MARGIN, MARGIN, title, INK);
  drawLegend(drawing, MARGIN, MARGIN + LINE, legend);
  cells.forEach((views, i) => {
    const left = MARGIN + (i % columns) * (cellWidth + MARGIN);
    const top = header + Math.floor(i / columns) * (cellHeight + MARGIN) + LINE;
    const { caption, forced } = samples[i];
    drawing.text(left, top - LINE, caption, forced ? FORCED : INK, cellWidth);
    let at = left;
    for (const view of views) {
      view.draw(drawing, at, top);
      drawing.frame(at, top, view.width, view.height, forced ? 2 : 1, forced ? FORCED : FRAME);
      at += view.width + GAP;
    }
  });
  return drawing.png();
}

function toViews(sample: SheetSample): View[] {
  const grey = greyWindow(sample.image);
  return (sample.shape[0] === 1 ? [0] : [0, 1, 2]).map((axis) => sliceView(sample, axis, slicePosition(sample, axis), grey));
}
