import type { LabelClass } from '../raw/labels.ts';
import { Drawing, LINE, widthOf } from './drawing.ts';
import { drawLegend, legendOf, legendWidth } from './legend.ts';
import type { Colour } from './palette.ts';
import { greyWindow, type Patch, slicePosition, sliceView } from './slice-view.ts';

const BACKGROUND: Colour = [24, 26, 30];
const INK: Colour = [214, 218, 224];
const FAINT: Colour = [140, 147, 158];
const FRAME: Colour = [62, 67, 76];
const CHANGED: Colour = [86, 140, 255];

const MARGIN = 14;
/** Between the two of a pair, and between pairs. */
const [NEAR, APART] = [4, 22];

/** One patch before and after a transform. */
export interface Pair {
  before: Patch;
  after: Patch;
  /** What was drawn for it. */
  caption: string;
}

/** One transform, on some patches. */
export interface PairRow {
  title: string;
  pairs: Pair[];
}

/**
 * Draws a row for each transform as PNG: pairs of the same slice before and after, outlined labels, both in the grey values of the
 * first, so that a change of brightness is seen as one.
 */
export function drawAugmentationSheet(title: string, rows: readonly PairRow[], classes: readonly LabelClass[]): Promise<Uint8Array> {
  const drawn = rows.map((row) => ({ ...row, views: row.pairs.map(viewsOf) }));
  const [{ views: first }] = drawn;
  const [{ width, height }] = first[0];
  const pairWidth = 2 * width + NEAR;
  const columns = Math.max(...rows.map(({ pairs }) => pairs.length));
  const rowHeight = 2 * LINE + height + MARGIN;
  const header = 2 * LINE + MARGIN;
  const legend = legendOf(
    classes,
    rows.flatMap(({ pairs }) => pairs.map(({ before }) => before)),
  );
  const across = Math.max(columns * (pairWidth + APART) - APART, widthOf(title), legendWidth(legend));
  const drawing = new Drawing(2 * MARGIN + across, header + rows.length * rowHeight + MARGIN, BACKGROUND);

  drawing.text(MARGIN, MARGIN, title, INK);
  drawLegend(drawing, MARGIN, MARGIN + LINE, legend);
  drawn.forEach(({ title: name, pairs, views }, row) => {
    const top = header + row * rowHeight;
    drawing.text(MARGIN, top, name, INK);
    views.forEach(([before, after], column) => {
      const left = MARGIN + column * (pairWidth + APART);
      const at = top + 2 * LINE;
      drawing.text(left, top + LINE, pairs[column].caption, FAINT, pairWidth);
      before.draw(drawing, left, at);
      drawing.frame(left, at, before.width, before.height, 1, FRAME);
      after.draw(drawing, left + width + NEAR, at);
      drawing.frame(left + width + NEAR, at, after.width, after.height, 1, CHANGED);
    });
  });
  return drawing.png();
}

function viewsOf({ before, after }: Pair) {
  const grey = greyWindow(before.image);
  const position = slicePosition(before, 0);
  return [before, after].map((patch) => sliceView(patch, 0, position, grey));
}
