import { triple } from '../../common/geometry.ts';
import type { Padding, Placement } from './placement.ts';

/**
 * Cuts a patch out at whole voxels: along each axis it begins at floor(center) - floor(P / 2) (docs/nnunet.md#crop-without-interpolation).
 * `reflection` mirrors at the middles of the outermost voxels, which are not repeated; `border` and `reflection` also fill a
 * patch that lies beside the source altogether, where torch gives up.
 */
export function cropPatch<T extends Float32Array | Int16Array>(
  voxels: T,
  { source, patch, center }: Placement,
  padding: Padding,
  value: number,
  out: T,
): void {
  const lower = triple((axis) => Math.floor(center ? center[axis] : source[axis] / 2) - Math.floor(patch[axis] / 2));
  const [planes, rows, columns] = [0, 1, 2].map((axis) =>
    Int32Array.from({ length: patch[axis] }, (_, i) => sourceIndex(lower[axis] + i, source[axis], padding)),
  );
  const fill = padding === 'constant' ? value : 0;
  let to = 0;
  for (const plane of planes)
    for (const row of rows) {
      if (plane < 0 || row < 0) out.fill(fill, to, to + patch[2]);
      else copyRow(voxels, (plane * source[1] + row) * source[2], columns, fill, out, to);
      to += patch[2];
    }
}

function copyRow<T extends Float32Array | Int16Array>(from: T, start: number, columns: Int32Array, fill: number, out: T, to: number): void {
  for (let x = 0; x < columns.length; x++) out[to + x] = columns[x] < 0 ? fill : from[start + columns[x]];
}

/** Where index i of an axis is read, -1 where it is filled. */
function sourceIndex(i: number, size: number, padding: Padding): number {
  if (i >= 0 && i < size) return i;
  if (padding === 'border') return i < 0 ? 0 : size - 1;
  if (padding !== 'reflection') return -1;
  const period = Math.max(2 * (size - 1), 1);
  const from = ((i % period) + period) % period;
  return Math.min(from, period - from) % size;
}
