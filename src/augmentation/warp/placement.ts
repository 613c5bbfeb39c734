import type { Axis, Triple } from '../../common/geometry.ts';
import type { Matrix } from '../affine.ts';

/** Where the voxels of an output patch lie in a source volume (docs/nnunet.md#coordinates). */
export interface Placement {
  /** N, the shape of the source. */
  source: Triple;
  /** P, the shape of the output. With `axes` [1, 2] it has the source's size along axis 0, and every slice is placed alike. */
  patch: Triple;
  /** The axes that are transformed: all three, or [1, 2]; then the matrix may still mirror axis 0, with -1 as its first number. */
  axes: readonly Axis[];
  /** Left out together with `offsets`, nothing is interpolated: the patch is cut out at whole voxels. */
  matrix?: Matrix | undefined;
  /** The patch's middle in voxels from the source's lower border (voxel i reaches from i to i + 1). Default N / 2. */
  center?: Triple | undefined;
  /**
   * What elastic deformation adds to the centred grid before the matrix, in voxels: float32 [3][P], or [3][1, P1, P2] with `axes`
   * [1, 2]. The mean of the deformed grid is taken off again.
   */
  offsets?: Float32Array | undefined;
  /** -1 and 1 of the normalised grid are the middles of the outermost voxels instead of their borders. Default false. */
  alignCorners?: boolean | undefined;
  /** Bit for bit what batchgeneratorsv2 0.3.6 makes of the same numbers with torch, its ties included. Default false. */
  nnunetCompat?: boolean | undefined;
  /**
   * With `nnunetCompat`: whether torch's BLAS rounds once for a product and its sum when it multiplies the grid by the matrix. That
   * depends on the build and the processor: PyPI's torch 2.15 (MKL) does on an Intel processor and did not on an AMD one, Debian's 1.13
   * did. Default true.
   */
  fusedMatrix?: boolean | undefined;
}

/**
 * What lies around a source. `zeros`: voxels of value or label 0. `constant`: voxels of `value`. `border`: the nearest voxel.
 * `reflection`: mirrored at the outer border of the outermost voxels, when cut out at whole voxels at their middles.
 */
export type Padding = 'zeros' | 'constant' | 'border' | 'reflection';

export interface ImageSampling {
  /** Default linear. `nearest` takes the even neighbour where two are as near. */
  interpolation?: 'linear' | 'nearest' | undefined;
  /** Default zeros. */
  padding?: Padding | undefined;
  /** Of `constant` padding. Default 0. */
  value?: number | undefined;
}

export interface LabelSampling {
  /**
   * `linear`: the label with the greatest interpolated weight; of several the nearest voxel's if it is one of them, else the lowest.
   * `nearest`: the nearest voxel's. Default linear.
   */
  interpolation?: 'linear' | 'nearest' | undefined;
  /** Default constant. */
  padding?: Padding | undefined;
  /** Of `constant` padding. Default -1. */
  value?: number | undefined;
}

/**
 * Walks through a patch one row along axis 2 at a time. What a row gave is overwritten by the next.
 */
export interface Grid {
  /** Per axis and voxel of the row: where it reads, in voxels of the source (0 is the middle of voxel 0). */
  readonly at: readonly [Float64Array, Float64Array, Float64Array];
  /**
   * Whether the padding label takes part: in torch's arithmetic only where a coordinate is further out than the middles of the outermost
   * voxels of the shortest axis. Overwrites the row.
   */
  reachesOutside(): boolean;
  row(z: number, y: number): void;
}
