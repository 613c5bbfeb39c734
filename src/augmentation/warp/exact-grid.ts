import { AXES, type Triple, triple } from '../../common/geometry.ts';
import { IDENTITY, type Matrix } from '../affine.ts';
import type { Grid, Placement } from './placement.ts';

/** Coordinates in float64 straight from the matrix. */
export class ExactGrid implements Grid {
  readonly at: Grid['at'];
  readonly #patch: Triple;
  readonly #planar: boolean;
  readonly #matrix: Matrix;
  readonly #offsets: Float32Array | undefined;
  /** What is added to a voxel's place relative to the patch's middle, to get the place relative to the source's. */
  readonly #shift: Triple;
  readonly #factor: Triple;
  readonly #middle: Triple;

  constructor({ source, patch, axes, matrix = IDENTITY, center, offsets, alignCorners = false }: Placement) {
    this.at = [new Float64Array(patch[2]), new Float64Array(patch[2]), new Float64Array(patch[2])];
    this.#patch = patch;
    this.#planar = axes.length === 2;
    this.#matrix = matrix;
    this.#offsets = offsets;
    // The grid without its offsets has mean 0, so the mean of the deformed one is the matrix times the mean offset.
    const [e0, e1, e2] = offsets ? meanOffsets(offsets) : [0, 0, 0];
    this.#shift = triple((axis) => {
      const mean = matrix[3 * axis] * e0 + matrix[3 * axis + 1] * e1 + matrix[3 * axis + 2] * e2;
      return (center ? center[axis] - source[axis] / 2 : 0) - mean;
    });
    this.#factor = triple((axis) => (alignCorners ? (source[axis] - 1) / source[axis] : 1));
    this.#middle = triple((axis) => (source[axis] - 1) / 2);
  }

  reachesOutside(): boolean {
    return true;
  }

  row(z: number, y: number): void {
    const [p0, p1, p2] = this.#patch;
    const matrix = this.#matrix;
    const offsets = this.#offsets;
    const plane = this.#planar ? 0 : z;
    const size = (this.#planar ? 1 : p0) * p1 * p2;
    const start = (plane * p1 + y) * p2;
    for (const axis of AXES) {
      const at = this.at[axis];
      if (this.#planar && axis === 0) {
        at.fill(matrix[0] * (z - (p0 - 1) / 2) + this.#middle[0]);
        continue;
      }
      const a0 = this.#planar ? 0 : matrix[3 * axis];
      const a1 = matrix[3 * axis + 1];
      const a2 = matrix[3 * axis + 2];
      const base = a0 * (z - (p0 - 1) / 2) + a1 * (y - (p1 - 1) / 2) + this.#shift[axis];
      for (let x = 0; x < p2; x++) {
        let from = base + a2 * (x - (p2 - 1) / 2);
        if (offsets) from += a0 * offsets[start + x] + a1 * offsets[size + start + x] + a2 * offsets[2 * size + start + x];
        at[x] = from * this.#factor[axis] + this.#middle[axis];
      }
    }
  }
}

function meanOffsets(offsets: Float32Array): Triple {
  const size = offsets.length / 3;
  return triple((axis) => offsets.subarray(axis * size, (axis + 1) * size).reduce((sum, offset) => sum + offset, 0) / size);
}
