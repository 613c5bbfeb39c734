import { affineMatrix } from '../../src/augmentation/affine.ts';
import type { Placement } from '../../src/augmentation/warp/placement.ts';
import { TorchGrid } from '../../src/augmentation/warp/torch-grid.ts';
import type { Axis } from '../../src/common/geometry.ts';
import { patchOf, type Triple } from '../../src/common/geometry.ts';
import { type GoldenCase, has, manifest, readArray } from './golden.ts';

function axesOf(dimensions: number): Axis[] {
  return dimensions === 2 ? [1, 2] : [0, 1, 2];
}

/** Where the patch of a recorded case lies. */
export function placementOf({ params, inputs }: GoldenCase): Placement {
  const size: number[] = params.patch_size;
  const axes = axesOf(size.length);
  const matrix = params.affine === null ? undefined : affineMatrix(params.angles_rad ?? [0, 0, 0], params.scales ?? [1, 1, 1], axes);
  const center: number[] = params.center_location_in_pixels;
  const source = patchOf(readArray(`spatial/${inputs.image}`).shape.slice(1));
  // A slice is half a voxel's place from its own middle.
  const middle = (size.length === 2 ? [0.5, ...center] : center) as Triple;
  return { source, patch: patchOf(size), axes, matrix, center: middle, alignCorners: params.align_corners };
}

/** The normalised grid of a placement, last axis first, as it is recorded. */
export function gridOf(placement: Placement): number[] {
  const [p0, p1, p2] = placement.patch;
  const grid = new TorchGrid(placement);
  const all: number[] = [];
  for (let z = 0; z < p0; z++)
    for (let y = 0; y < p1; y++) {
      grid.row(z, y);
      for (let x = 0; x < p2; x++) for (const axis of [...placement.axes].reverse()) all.push(grid.normalised[axis][x]);
    }
  return all;
}

/** Torch's arithmetic on the machine that recorded: how its BLAS rounds can be seen in the grids. */
export function recordedArithmetic(): Pick<Placement, 'nnunetCompat' | 'fusedMatrix'> {
  const grids = has('spatial/manifest.json') ? manifest('spatial').filter(({ outputs }) => outputs.grid) : [];
  const fusedMatrix = grids.every((golden) => {
    const recorded = readArray(`spatial/${golden.outputs.grid}`).data;
    return gridOf({ ...placementOf(golden), fusedMatrix: true }).every((value, i) => value === recorded[i]);
  });
  return { nnunetCompat: true, fusedMatrix };
}
