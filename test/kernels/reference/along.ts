import type { Triple } from '../../../src/common/geometry.ts';

/** Changes every line of [z, y, x] along an axis. */
export function along(image: Float64Array, shape: Triple, axis: number, change: (line: number[]) => number[]): Float64Array {
  const made = image.slice();
  const strides = [shape[1] * shape[2], shape[2], 1];
  const [a, b] = [0, 1, 2].filter((other) => other !== axis);
  for (let i = 0; i < shape[a]; i++) {
    for (let j = 0; j < shape[b]; j++) {
      const start = i * strides[a] + j * strides[b];
      const line = Array.from({ length: shape[axis] }, (_, k) => image[start + k * strides[axis]]);
      change(line).forEach((value, k) => {
        made[start + k * strides[axis]] = value;
      });
    }
  }
  return made;
}
