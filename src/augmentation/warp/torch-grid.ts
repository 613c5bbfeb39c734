import { AXES, type Triple, triple } from '../../common/geometry.ts';
import { IDENTITY, type Matrix } from '../affine.ts';
import type { Grid, Placement } from './placement.ts';

const { fround } = Math;

/**
 * The grid as batchgeneratorsv2 0.3.6 makes it and `grid_sample` reads it, rounded to float32 wherever they round. A float64 sum,
 * product or quotient of float32 numbers, rounded once more, is the float32 one; a fused product and sum, made the same way,
 * misses in about one of 2^29.
 *
 * Torch samples two axes with vectorised code that fuses products and sums, three axes with plain code that does not. Compared voxel
 * by voxel with torch 1.13 and 2.15 on x86-64.
 */
export class TorchGrid implements Grid {
  readonly at: Grid['at'];
  /** Per axis and voxel of the row: float32, normalised so that the source reaches from -1 to 1. */
  readonly normalised: readonly [Float32Array, Float32Array, Float32Array];
  readonly #place: Placement;
  readonly #planar: boolean;
  readonly #matrix: Matrix;
  readonly #shift: Triple = [0, 0, 0];
  readonly #bound: number;
  readonly #moved = new Float64Array(3);

  constructor(placement: Placement) {
    const { source, patch, axes, matrix = IDENTITY, center, offsets, alignCorners = false } = placement;
    this.#place = placement;
    this.#planar = axes.length === 2;
    this.#matrix = matrix.map(fround) as unknown as Matrix;
    this.at = [new Float64Array(patch[2]), new Float64Array(patch[2]), new Float64Array(patch[2])];
    this.normalised = [new Float32Array(patch[2]), new Float32Array(patch[2]), new Float32Array(patch[2])];
    this.#bound = alignCorners ? 1 : 1 - 1 / Math.min(...axes.map((axis) => source[axis]));
    const shift = triple((axis) => (center ? fround(center[axis] - source[axis] / 2) : 0));
    const mean = offsets ? this.#mean() : [0, 0, 0];
    this.#shift = triple((axis) => fround(shift[axis] - mean[axis]));
  }

  reachesOutside(): boolean {
    const { patch, axes, offsets } = this.#place;
    // Every rounding keeps the order: without offsets the outermost coordinates are at the corners.
    const visited = (size: number): number[] => [...Array(size).keys()].filter((i) => offsets || i === 0 || i === size - 1);
    for (const z of this.#planar ? [0] : visited(patch[0]))
      for (const y of visited(patch[1])) {
        this.row(z, y);
        for (const axis of axes) if (this.normalised[axis].some((g) => Math.abs(g) > this.#bound)) return true;
      }
    return false;
  }

  row(z: number, y: number): void {
    const { source, patch, alignCorners = false } = this.#place;
    if (this.#planar) this.at[0].fill(this.#matrix[0] * (z - (patch[0] - 1) / 2) + (source[0] - 1) / 2);
    for (let x = 0; x < patch[2]; x++) {
      this.#move(z, y, x);
      for (const axis of AXES) {
        if (this.#planar && axis === 0) continue;
        const size = source[axis];
        const g = fround(fround(this.#moved[axis] + this.#shift[axis]) / (size / 2));
        this.normalised[axis][x] = g;
        const right = fround(g + 1);
        // Two axes: one multiplication by the size's half, fused with the subtraction.
        if (this.#planar) this.at[axis][x] = alignCorners ? fround(right * ((size - 1) / 2)) : fround(right * (size / 2) - 0.5);
        else this.at[axis][x] = alignCorners ? fround((right / 2) * (size - 1)) : fround(fround(right * size) - 1) / 2;
      }
    }
  }

  /** `moved` becomes the matrix times the deformed grid at an output voxel, in voxels from the patch's middle. */
  #move(z: number, y: number, x: number): void {
    const { patch, offsets, fusedMatrix = true } = this.#place;
    let b0 = z - (patch[0] - 1) / 2;
    let b1 = y - (patch[1] - 1) / 2;
    let b2 = x - (patch[2] - 1) / 2;
    if (offsets) {
      const size = offsets.length / 3;
      const voxel = ((this.#planar ? 0 : z) * patch[1] + y) * patch[2] + x;
      b0 = fround(b0 + offsets[voxel]);
      b1 = fround(b1 + offsets[size + voxel]);
      b2 = fround(b2 + offsets[2 * size + voxel]);
    }
    const m = this.#matrix;
    for (let axis = this.#planar ? 1 : 0; axis < 3; axis++) {
      const first = this.#planar ? 0 : fround(m[3 * axis] * b0);
      const second = m[3 * axis + 1] * b1;
      const third = m[3 * axis + 2] * b2;
      this.#moved[axis] = fusedMatrix ? fround(fround(first + second) + third) : fround(fround(first + fround(second)) + fround(third));
    }
  }

  /** Summed in float64, where torch sums in float32 in an order of its own: a deformed grid may be off by a rounding. */
  #mean(): Triple {
    const { patch } = this.#place;
    const planes = this.#planar ? 1 : patch[0];
    const sum: Triple = [0, 0, 0];
    for (let z = 0; z < planes; z++)
      for (let y = 0; y < patch[1]; y++)
        for (let x = 0; x < patch[2]; x++) {
          this.#move(z, y, x);
          for (const axis of AXES) sum[axis] += this.#moved[axis];
        }
    return triple((axis) => fround(sum[axis] / (planes * patch[1] * patch[2])));
  }
}
