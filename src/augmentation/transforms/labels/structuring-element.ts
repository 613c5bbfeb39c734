import type { Axis } from '../../../common/geometry.ts';

/** Members of a structuring element that lie in one row: offsets from the voxel that is decided, x from `low` to `high`. */
export interface ElementRow {
  z: number;
  y: number;
  low: number;
  high: number;
}

/**
 * The disk (2D) or ball (3D) of scikit-image for a radius that need not be whole, as batchgeneratorsv2 places it: of L positions along
 * an axis number floor((L - 1) / 2) is the voxel itself, so elements of even size are off-centre towards lower indices. `mirrored` axes
 * count from their other end.
 */
export function structuringElement(radius: number, flat: boolean, mirrored: readonly Axis[]): ElementRow[] {
  const grid = flat ? diskGrid(radius) : ballGrid(radius);
  const middle = Math.floor((grid.length - 1) / 2);
  const offset = (position: number, axis: Axis): number => (mirrored.includes(axis) ? middle - position : position - middle);
  const rows: ElementRow[] = [];
  for (const [i, a] of flat ? [[middle, 0] as const] : grid.entries()) {
    for (const [j, b] of grid.entries()) {
      // The order of the sums decides on which side of the border rounding puts the tips.
      const members = [...grid.keys()].filter((k) => grid[k] * grid[k] + b * b + a * a <= radius * radius);
      if (members.length === 0) continue;
      const ends = [offset(members[0], 2), offset(members[members.length - 1], 2)];
      rows.push({ z: offset(i, 0), y: offset(j, 1), low: Math.min(...ends), high: Math.max(...ends) });
    }
  }
  return rows;
}

/** -radius, 1 - radius, … below radius + 1: numpy's arange. */
function diskGrid(radius: number): number[] {
  return Array.from({ length: Math.ceil(radius + 1 + radius) }, (_, i) => -radius + i * (1 - radius + radius));
}

/** As many evenly spaced numbers from -radius to radius as 2 * radius + 1 has ones: numpy's mgrid. */
function ballGrid(radius: number): number[] {
  const count = Math.floor(2 * radius + 1);
  const step = count > 1 ? (radius + radius) / (count - 1) : 1;
  return Array.from({ length: count }, (_, i) => i * step - radius);
}
