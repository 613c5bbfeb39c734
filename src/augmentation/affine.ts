import type { Axis } from '../common/geometry.ts';

/** Nine float64, row by row: what an output offset from the patch's centre becomes in voxels of the source. */
export type Matrix = readonly [number, number, number, number, number, number, number, number, number];

export const IDENTITY: Matrix = [1, 0, 0, 0, 1, 0, 0, 0, 1];

/**
 * A = R2(angles[2]) R1(angles[1]) R0(angles[0]) diag(scales), for column vectors in array order (docs/nnunet.md#coordinates).
 * Output voxel i of a patch of shape P reads at x = A (i - (P - 1) / 2) + (N - 1) / 2 in a source of shape N, so a scale above 1
 * makes objects smaller.
 *
 * With `axes` [1, 2] (a 2D patch, or slices that are transformed alike) one angle turns axes 1 and 2, and axis 0 is left alone.
 * That angle is the last of however many were drawn, as in batchgeneratorsv2; the scales are the last two.
 *
 * @param angles radians, one for each axis.
 */
export function affineMatrix(angles: readonly number[], scales: readonly number[], axes: readonly Axis[]): Matrix {
  if (axes.length === 2) {
    const [s1, s2] = scales.slice(-2);
    const cosine = Math.cos(angles[angles.length - 1]);
    const sine = Math.sin(angles[angles.length - 1]);
    return [1, 0, 0, 0, cosine * s1, -sine * s2, 0, sine * s1, cosine * s2];
  }
  const [c0, c1, c2] = angles.map(Math.cos);
  const [d0, d1, d2] = angles.map(Math.sin);
  const [s0, s1, s2] = scales;
  return [
    c2 * c1 * s0,
    (c2 * d1 * d0 - d2 * c0) * s1,
    (c2 * d1 * c0 + d2 * d0) * s2,
    d2 * c1 * s0,
    (d2 * d1 * d0 + c2 * c0) * s1,
    (d2 * d1 * c0 - c2 * d0) * s2,
    -d1 * s0,
    c1 * d0 * s1,
    c1 * c0 * s2,
  ];
}
