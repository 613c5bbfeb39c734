import { type Triple, triple } from '../common/geometry.ts';
import type { CompleteStep } from './transform.ts';
import type { CompleteSpatialStep } from './transforms/spatial/spatial.ts';

/**
 * How large a crop nnU-Net reads so that rotating and scaling finds voxels around a patch (docs/nnunet.md#initial-patch-size). Its rule is kept
 * with its quirks: rotations about one axis at a time, with the signs of a row vector.
 * @param patchSize [z, y, x] or [y, x]
 * @param largestAngle radians, of any axis
 * @param smallestScale what the size is divided by
 */
export function enlarged(patchSize: readonly number[], largestAngle: number, smallestScale: number): number[] {
  const angle = Math.min(Math.PI / 2, Math.abs(largestAngle));
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const turned =
    patchSize.length === 2
      ? [turnedInPlane(patchSize, 0, 1, c, s)]
      : [turnedInPlane(patchSize, 1, 2, c, s), turnedInPlane(patchSize, 2, 0, c, s), turnedInPlane(patchSize, 0, 1, c, s)];
  return patchSize.map((size, axis) => Math.trunc(Math.max(size, ...turned.map((sizes) => Math.abs(sizes[axis]))) / smallestScale));
}

/** A row vector times the rotation that takes axis `a` towards axis `b`. */
function turnedInPlane(size: readonly number[], a: number, b: number, c: number, s: number): number[] {
  return size.map((length, axis) => (axis === a ? size[a] * c + size[b] * s : axis === b ? size[b] * c - size[a] * s : length));
}

/** The crop of a spatial step; slices that are transformed in their plane need no more of them. */
export function cropSize(patchSize: readonly number[], { rotation, cropScale, dummy2d }: CompleteSpatialStep): number[] {
  const angle = Math.max(...[rotation].flat().map(Math.abs));
  const crop = enlarged(patchSize, angle, cropScale);
  if (dummy2d) crop[0] = patchSize[0];
  return crop;
}

/** The crop of a pipeline in three axes: the patch itself where nothing spatial is done. */
export function cropOf(patchSize: readonly number[], steps: readonly CompleteStep[]): Triple {
  const step = steps.find(({ transform }) => transform === 'spatial') as CompleteSpatialStep | undefined;
  const crop = step ? cropSize(patchSize, step) : patchSize;
  return triple((axis) => crop[axis - 3 + crop.length] ?? 1);
}
