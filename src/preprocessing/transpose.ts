import { type Triple, transpose, voxels } from '../common/geometry.ts';

/** Reorders the axes of a volume: axis i of the result is axis `forward[i]` of the volume. Unchanged order: the volume itself. */
export function transposeVolume<T extends Float32Array | Int16Array | Int8Array>(volume: T, shape: Triple, forward: Triple): T {
  if (forward.every((axis, i) => axis === i)) return volume;
  const strides: Triple = [shape[1] * shape[2], shape[2], 1];
  const [depth, height, width] = transpose(shape, forward);
  const [plane, row, column] = transpose(strides, forward);
  const result = new (volume.constructor as new (length: number) => T)(voxels(shape));
  for (let z = 0, i = 0; z < depth; z++)
    for (let y = 0; y < height; y++) for (let x = 0, from = z * plane + y * row; x < width; x++, from += column) result[i++] = volume[from];
  return result;
}
