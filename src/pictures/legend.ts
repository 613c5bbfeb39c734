import { foregroundOf, type LabelClass } from '../raw/labels.ts';
import { type Drawing, widthOf } from './drawing.ts';
import { type Colour, colourOf } from './palette.ts';
import type { Patch } from './slice-view.ts';

const INK: Colour = [214, 218, 224];

/** What colours mean, in one line. An entry without a colour is words alone. */
export type Legend = readonly { name: string; colour: Colour | null }[];

/**
 * What outlines stand for, one a class that has one: its label, or where pictures show masks of regions, the number of its mask from 1.
 */
export function outlinesOf(classes: readonly LabelClass[], regions: boolean): { name: string; label: number; colour: Colour }[] {
  const foreground = foregroundOf(classes);
  const shown = regions
    ? foreground.map(({ name }, i) => ({ name, label: i + 1 }))
    : foreground.flatMap(({ name, labels }) => (labels.length === 1 ? [{ name, label: labels[0] }] : []));
  return shown.map((entry) => ({ ...entry, colour: colourOf(entry.label) }));
}

/**
 * The outlines of labels: classes that some patch shows come first. A colour stands for one class, the first that has it; how many are
 * left is said at the end.
 */
export function legendOf(classes: readonly LabelClass[], patches: readonly Pick<Patch, 'target'>[]): Legend {
  const present = new Set<number>();
  for (const { target } of patches) for (const label of target) present.add(label);
  const outlined = foregroundOf(classes).filter(({ labels }) => labels.length === 1);
  const isPresent = ({ labels: [label] }: LabelClass): boolean => present.has(label);
  const inOrder = [...outlined.filter(isPresent), ...outlined.filter((entry) => !isPresent(entry))];
  const named = new Map<Colour, string>();
  for (const { name, labels } of inOrder) if (!named.has(colourOf(labels[0]))) named.set(colourOf(labels[0]), name);
  const more = outlined.length - named.size;
  return [...[...named].map(([colour, name]) => ({ name, colour })), ...(more > 0 ? [{ name: `and ${more} more`, colour: null }] : [])];
}

/** Before a name, in its colour. */
const MARK = '• ';
const MARK_SIZE = 26;
const BETWEEN = '    ';

/** In pixels, about. */
export function legendWidth(legend: Legend): number {
  return widthOf(legend.map(({ name }) => `${MARK}  ${name}`).join(BETWEEN));
}

export function drawLegend(drawing: Drawing, left: number, top: number, legend: Legend): void {
  const runs = legend.flatMap(({ name, colour }, i) => [
    ...(i === 0 ? [] : [{ text: BETWEEN, colour: INK }]),
    ...(colour === null ? [] : [{ text: MARK, colour, size: MARK_SIZE }]),
    { text: name, colour: INK },
  ]);
  drawing.runs(left, top, runs);
}
