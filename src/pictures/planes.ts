import { type Triple, voxels } from '../common/geometry.ts';

/** The voxels of a slice across an axis, row by row as they are stored: axes that are left keep their order. */
export function cutPlane<T extends Float32Array | Int16Array | Int8Array | Uint8Array>(
  data: T,
  shape: Triple,
  axis: number,
  position: number,
): { data: T; shape: [rows: number, columns: number] } {
  const strides = [shape[1] * shape[2], shape[2], 1];
  const [down, across] = [0, 1, 2].filter((other) => other !== axis);
  const [rows, columns] = [shape[down], shape[across]];
  const plane = data.slice(0, voxels([rows, columns])) as T;
  const base = position * strides[axis];
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      plane[row * columns + column] = data[base + row * strides[down] + column * strides[across]];
  return { data: plane, shape: [rows, columns] };
}

/** The axes across which a patch has slices to show: of a 2D patch, the first alone. */
export function planeAxes(shape: Triple): readonly number[] {
  return shape[0] === 1 ? [0] : [0, 1, 2];
}
