export type Colour = readonly [red: number, green: number, blue: number];

/**
 * Of labels' outlines, on grey pictures: told apart by people who see red and green alike, too (after Okabe and Ito, then Tol). The page of
 * `voxfeed view` has them from here.
 */
export const LABEL_COLOURS: readonly Colour[] = [
  [86, 204, 255],
  [255, 214, 64],
  [0, 214, 160],
  [255, 120, 200],
  [160, 150, 255],
  [255, 110, 70],
  [60, 120, 240],
  [221, 204, 150],
];

/** Of what was forced to hold foreground. */
export const FORCED: Colour = [255, 158, 44];

/** Of a label's outline. There are fewer colours than labels may be: they take turns. */
export function colourOf(label: number): Colour {
  return LABEL_COLOURS[(label - 1) % LABEL_COLOURS.length];
}
