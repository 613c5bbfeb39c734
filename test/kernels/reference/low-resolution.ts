import type { Triple } from '../../../src/common/geometry.ts';
import { along } from './along.ts';

/** torch's "nearest-exact" to `small` samples and "linear" back (docs/nnunet.md#intensity), one axis after the other. */
export function lowResolution(image: Float32Array, shape: Triple, small: Triple): Float64Array {
  return small.reduce<Float64Array>(
    (made, n, axis) =>
      along(made, shape, axis, (line) => {
        const size = line.length;
        const coarse = Array.from({ length: n }, (_, i) => line[Math.min(Math.floor(((i + 0.5) * size) / n), size - 1)]);
        return line.map((_, i) => {
          const y = Math.max(((i + 0.5) * n) / size - 0.5, 0);
          const below = Math.floor(y);
          const above = Math.min(below + 1, n - 1);
          return coarse[below] * (1 - (y - below)) + coarse[above] * (y - below);
        });
      }),
    Float64Array.from(image),
  );
}
