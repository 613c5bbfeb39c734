/** Lines along the edges of voxels, each inside of its own label, so that neighbours do not hide each other's. */
export interface OutlineOptions {
  rows: number;
  columns: number;
  /** Of a voxel in the picture. */
  width: number;
  height: number;
  /** Half of how thick the lines are to be. */
  inset: number;
}

/**
 * The outlines of the labels above 0 in a slice, by label: x0, y0, x1, y1 of one line after the other.
 * @param labels row by row, the last row on top of the picture: in the usual orientation, front and top of the head come out on top
 */
export function outlineLabels(labels: ArrayLike<number>, { rows, columns, width, height, inset }: OutlineOptions): Map<number, number[]> {
  const found = new Map<number, number[]>();
  const at = (row: number, column: number): number =>
    row < 0 || column < 0 || row >= rows || column >= columns ? -1 : labels[(rows - 1 - row) * columns + column];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const label = at(row, column);
      if (label <= 0) continue;
      const lines = found.get(label) ?? [];
      found.set(label, lines);
      const [left, top] = [column * width, row * height];
      const [right, bottom] = [left + width, top + height];
      if (at(row - 1, column) !== label) lines.push(left, top + inset, right, top + inset);
      if (at(row + 1, column) !== label) lines.push(left, bottom - inset, right, bottom - inset);
      if (at(row, column - 1) !== label) lines.push(left + inset, top, left + inset, bottom);
      if (at(row, column + 1) !== label) lines.push(right - inset, top, right - inset, bottom);
    }
  }
  return found;
}
